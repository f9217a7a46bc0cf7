"""Ed25519, with openssl as the other implementation."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lampion_edge import CardError, ModelError, RefusedError, UpdateError
from lampion_edge.update.release import Release, natural
from lampion_edge.update.signature import Signed, check, new_key, sign

Publish = Callable[..., Path]
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def run(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


@openssl
def test_openssl_finds_our_signature_good(publish: Publish, key: Path, tmp_path: Path) -> None:
    signed = Signed.from_json(publish("1").with_name("digits.onnx.sig").read_bytes(), "")
    (tmp_path / "text").write_bytes(b"lampion release 1\n" + signed.text.encode())
    (tmp_path / "signature").write_bytes(signed.signature)
    verify = ("openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key.with_name("release.pub"))
    told = run(*verify, "-in", "text", "-sigfile", "signature", cwd=tmp_path)
    assert "Signature Verified Successfully" in told


@openssl
def test_a_key_that_openssl_made(publish: Publish, tmp_path: Path) -> None:
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", "made.key", cwd=tmp_path)
    public = run("openssl", "pkey", "-in", "made.key", "-pubout", cwd=tmp_path).encode()
    check(sign(Release.of(publish("1")), tmp_path / "made.key"), public, "digits")


@openssl
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-algorithm", "x25519"], "expected an ed25519 key"),
        (["-algorithm", "ed25519", "-aes256", "-pass", "pass:secret"], "not a private key that can be read"),
    ],
)
def test_keys_that_will_not_do(publish: Publish, tmp_path: Path, options: list[str], sentence: str) -> None:
    run("openssl", "genpkey", *options, "-out", "made.key", cwd=tmp_path)
    with pytest.raises(UpdateError, match=f"made.key: {sentence}"):
        sign(Release.of(publish("1")), tmp_path / "made.key")


def test_a_new_key_is_its_owners_and_never_overwritten(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(UpdateError, match="is there already, and a key is never overwritten"):
        new_key(key)
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    "pem", [b"", b"ssh-ed25519 AAAA", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_public_key(publish: Publish, pem: bytes) -> None:
    signed = Signed.from_json(publish("1").with_name("digits.onnx.sig").read_bytes(), "")
    with pytest.raises(UpdateError, match="the pinned key: expected public ed25519 keys as PEM"):
        check(signed, pem, "digits")


def test_without_the_package_a_sentence_says_which_extra(publish: Publish, key: Path, tmp_path: Path) -> None:
    (tmp_path / "cryptography.py").write_text("raise ImportError('not here')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from lampion_edge.cli import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        code,
        "update",
        "--models",
        tmp_path / "models",
        "--pin",
        key.with_name("release.pub"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [
            "lampion: error: signatures need the package 'cryptography', which can't be imported (not here)",
            "hint: pip install 'lampion-edge[update]', or apt install python3-cryptography",
        ],
    )
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("part", ["text", "key", "signature"])
def test_every_part_counts(publish: Publish, key: Path, part: str) -> None:
    signed = Signed.from_json(publish("1").with_name("digits.onnx.sig").read_bytes(), "")
    changed = {"text": signed.text.replace("}", " }", 1), "key": signed.key, "signature": signed.signature}
    if part == "signature":
        changed["signature"] = bytes([signed.signature[0] ^ 1]) + signed.signature[1:]
    pinned = key.with_name("release.pub").read_bytes()
    if part == "key":  # only said, never believed
        return check(Signed(signed.text, signed.signature, "f" * 16), pinned, "digits")
    with pytest.raises(RefusedError):
        check(Signed(**changed), pinned, "digits")
    return None


# --- releases ---


def test_weights_beside_the_model_are_signed_too(tmp_path: Path) -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from lampion_edge import METADATA_CARD, Card

    weights = numpy_helper.from_array(np.arange(1000, dtype=np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1000])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1000])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "graph", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(model, {METADATA_CARD: Card("adder", "tensor", (), (), version="7").to_json()})
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    release = Release.of(tmp_path / "m.onnx")
    assert (release.name, release.version, sorted(release.files)) == ("adder", "7", ["m.data", "m.onnx"])
    assert release.size == sum((tmp_path / name).stat().st_size for name in release.files)


def test_what_can_not_be_signed(digits: Callable[..., bytes], publish: Publish, tmp_path: Path) -> None:
    (tmp_path / "bare.onnx").write_bytes(digits({}))
    with pytest.raises(ModelError, match="has no card to tell its name and version"):
        Release.of(tmp_path / "bare.onnx")
    content = bytearray(publish("1").read_bytes())
    content[content.index(b"scaled")] ^= 1
    (tmp_path / "damaged.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="the graph is not the one its card describes"):
        Release.of(tmp_path / "damaged.onnx")
    with pytest.raises(CardError, match="version: expected a version of letters, digits"):
        Release.of(publish("1/2"))


def test_versions_in_their_order() -> None:
    versions = ["1", "1.2", "1.9", "1.10", "2", "2.0.1", "10", "2026.11.27"]
    assert sorted(set(versions), key=natural) == versions
