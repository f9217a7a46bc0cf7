"""Photos in every form that people send, answered with labels."""

from __future__ import annotations

import base64
import gzip
import io
import json
from typing import Any

import pytest
from PIL import Image

FORMATS = [("PNG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1")]
FORMATS += [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("BMP", "RGB"), ("GIF", "P"), ("WEBP", "RGB")]
FORMATS += [("TIFF", "RGB")]


@pytest.mark.parametrize(("format", "mode"), FORMATS)
def test_formats(server: Any, build: Any, format: str, mode: str) -> None:
    response = server.client.post("/v1/models/digits/predict?top=1", content=build.photo(255, (9, 7), format, mode))
    assert labels(response) == [["light"]]


def raw(photo: bytes) -> dict[str, Any]:
    return {"content": photo}


def curl(photo: bytes) -> dict[str, Any]:
    return {"content": photo, "headers": {"content-type": "application/x-www-form-urlencoded"}}


def multipart(photo: bytes) -> dict[str, Any]:
    return {"files": {"anything": ("photo.png", photo, "image/png")}}


def in_json(photo: bytes) -> dict[str, Any]:
    return {"json": {"image": base64.b64encode(photo).decode()}}


def data_url(photo: bytes) -> dict[str, Any]:
    return {"json": {"image": "data:image/png;base64," + base64.b64encode(photo).decode()}}


def curl_json(photo: bytes) -> dict[str, Any]:
    """As `curl -d` sends it, whose users seldom say what it is."""
    text = f'{{"image": "{base64.b64encode(photo).decode()}"}}'
    return {"content": text, "headers": {"content-type": "application/x-www-form-urlencoded"}}


def with_line_breaks(photo: bytes) -> dict[str, Any]:
    """As the command base64, mail and Python's own encodebytes write it."""
    return {"json": {"image": base64.encodebytes(photo * 3).decode().replace("\n", "\r\n")}}


def indented_json(photo: bytes) -> dict[str, Any]:
    return {"content": b" \n" + json.dumps(in_json(photo)["json"]).encode()}


@pytest.mark.parametrize("way", [raw, curl, multipart, in_json, data_url, curl_json, with_line_breaks, indented_json])
def test_ways_to_send_one(server: Any, build: Any, way: Any) -> None:
    response = server.client.post("/v1/models/digits/predict?top=1", **way(build.photo(0)))
    assert labels(response) == [["dark"]]


def test_many_in_one_form(server: Any, build: Any) -> None:
    files = [("photo", (f"{i}.png", build.photo(value))) for i, value in enumerate([0, 255, 128, 255])]
    response = server.client.post("/v1/models/digits/predict?top=1", files=files)
    assert labels(response) == [["dark"], ["light"], ["mid"], ["light"]]


def test_many_in_json(server: Any, build: Any) -> None:
    images = [base64.b64encode(build.photo(value)).decode() for value in (255, 0)]
    response = server.client.post("/v1/models/digits/predict?top=1", json={"images": images})
    assert labels(response) == [["light"], ["dark"]]


def test_more_photos_than_a_batch_holds(build: Any, serve: Any, folder: Any) -> None:
    with serve(folder / "digits.onnx", max_batch=4, max_queue=3) as server:
        files = [("photo", (f"{i}.png", build.photo(255 * (i % 2)))) for i in range(11)]
        response = server.client.post("/v1/models/digits/predict?top=1", files=files)
        assert labels(response) == [[("dark", "light")[i % 2]] for i in range(11)]


def test_one_bad_photo_is_named(server: Any, build: Any) -> None:
    files = [("photo", ("a.png", build.photo())), ("photo", ("b.png", b"no photo"))]
    response = server.client.post("/v1/models/digits/predict", files=files)
    assert (response.status_code, response.json()["field"]) == (400, "photos[1]")
    assert response.json()["error"].startswith("photos[1]: not an image")


def test_top_and_threshold(server: Any, build: Any) -> None:
    post = server.client.post
    assert labels(post("/v1/models/digits/predict", content=build.photo(200))) == [["light", "mid", "dark"]]
    assert labels(post("/v1/models/digits/predict?top=2", content=build.photo(200))) == [["light", "mid"]]
    assert labels(post("/v1/models/digits/predict?threshold=0.5", content=build.photo(200))) == [["light"]]
    assert labels(post("/v1/models/digits/predict?threshold=1", content=build.photo(200))) == [[]]


def test_the_answer(server: Any, build: Any) -> None:
    response = server.client.post("/v1/models/digits/predict?top=1", content=build.photo(0))
    answer = response.json()
    (label,) = answer["predictions"][0]["labels"]
    assert (answer["model"], answer["version"]) == ("digits", "1")
    assert (label["label"], label["index"]) == ("dark", 0)
    assert 0.99 < label["probability"] <= 1
    stages = [part.partition(";")[0] for part in response.headers["server-timing"].split(", ")]
    assert stages == ["decode", "queue", "compute", "total"]


def labels(response: Any) -> list[list[str]]:
    assert response.status_code == 200, response.text
    return [[label["label"] for label in photo["labels"]] for photo in response.json()["predictions"]]


# --- what a photo may be ---


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def animated(format: str) -> bytes:
    """A dark frame, then light ones."""
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255, 255)]
    return saved(frames[0], format, save_all=True, append_images=frames[1:], duration=50)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame(server: Any, format: str) -> None:
    assert labels(server.client.post("/v1/models/digits/predict?top=1", content=animated(format))) == [["dark"]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_lies_on_white(server: Any, mode: str) -> None:
    clear = saved(Image.new(mode, (8, 8), 0), "PNG")
    assert labels(server.client.post("/v1/models/digits/predict?top=1", content=clear)) == [["light"]]


def test_gzipped_forms_and_photos(server: Any, build: Any) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n' + build.photo(0) + b"\r\n--b--\r\n"
    for content, kind in ((form, "multipart/form-data; boundary=b"), (build.photo(0), "image/png")):
        for encoding in ("gzip", "x-gzip"):
            headers = {"content-type": kind, "content-encoding": encoding}
            response = server.client.post(
                "/v1/models/digits/predict?top=1", content=gzip.compress(content), headers=headers
            )
            assert labels(response) == [["dark"]]
