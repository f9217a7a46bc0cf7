# Builds on linux/amd64 and linux/arm64: everything comes as wheels for both.
#   docker buildx build --platform linux/amd64,linux/arm64 -t lampion .
#   docker run -p 8000:8000 -v ./models:/models lampion
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY edge edge
COPY engine engine
COPY export export
COPY server server
RUN python3 -m venv /opt/lampion && /opt/lampion/bin/pip install --no-cache-dir ./edge .

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home lampion
COPY --from=build /opt/lampion /opt/lampion
# onnxruntime's wheels report their use to Microsoft unless told not to.
ENV PATH=/opt/lampion/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1
WORKDIR /models
# A number, because Kubernetes can't tell of a name that it isn't root.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
ENTRYPOINT ["lampion", "serve"]
CMD ["/models", "--host", "0.0.0.0", "--port", "8000"]
