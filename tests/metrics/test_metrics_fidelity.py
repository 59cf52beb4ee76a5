import sys

import pytest
import torch

from inrgan.errors import DataError, MissingDependency, ShapeError
from inrgan.images import to_bytes
from inrgan.metrics import (
    InceptionFeatures,
    evaluate,
    find_inception_weights,
    frechet_distance,
    kernel_distance,
)
from inrgan.metrics.features import WEIGHTS_FILE

CPU = torch.device("cpu")


@pytest.fixture
def fidelity(inception):
    return inception(lambda x: x.flatten(1)[:, :2048])


def test_features_come_from_the_network_in_batches(fidelity, hub):
    # Oracle: the fake network, which hands back the bytes it gets.
    torch.save({}, hub / WEIGHTS_FILE)
    extractor = InceptionFeatures(device=CPU, batch=2)
    values = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = extractor(values)
    assert extractor.size == 2048
    assert extractor._network.batches == [2, 2, 1]
    torch.testing.assert_close(features, ((values + 1) * 127.5).round().flatten(1)[:, :2048])
    assert "torch-fidelity 9.9" in extractor.name


def test_bytes():
    # Oracle: by hand; the ends, the middle (127.5 rounds to even) and values beyond.
    assert to_bytes(torch.tensor([-1.0, 0.0, 1.0, -3.0, 3.0])).tolist() == [0, 128, 255, 0, 255]


def test_fid_and_kid_through_evaluate(fidelity, hub):
    # Oracle: our own distances on the bytes that the fake network hands back.
    torch.save({}, hub / WEIGHTS_FILE)
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(n, 3, 32, 32, generator=generator) * 2 - 1 for n in (6, 4))
    fid, kid = evaluate(real, fake, metrics=["fid", "kid"])
    r, f = (to_bytes(values).float().flatten(1)[:, :2048] for values in (real, fake))
    assert fid.value == pytest.approx(frechet_distance(r, f))
    assert kid.value == pytest.approx(kernel_distance(r, f))
    assert fid.protocol["covariance_full_rank"] is False
    assert str(fid.protocol["extractor"]).startswith("inception-v3(torch-fidelity 9.9, weights sha256 ")


def test_missing_library(monkeypatch, hub):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingDependency, match=r'torch-fidelity.*pip install "inrgan\[fid\]"'):
        InceptionFeatures(device=CPU)


def test_missing_torchvision(monkeypatch, tmp_path):
    # torch-fidelity imports torchvision when it is imported itself.
    package = tmp_path / "torch_fidelity"
    package.mkdir()
    (package / "__init__.py").write_text("import torchvision\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch_fidelity", raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingDependency, match="needs torchvision"):
        InceptionFeatures(device=CPU)


def test_missing_weights_say_where_and_how(fidelity, hub, tmp_path):
    with pytest.raises(DataError, match=r"https://github\.com/toshas/torch-fidelity") as caught:
        InceptionFeatures(device=CPU)
    assert str(hub / WEIGHTS_FILE) in str(caught.value)
    with pytest.raises(DataError, match=r"elsewhere\.pth"):
        find_inception_weights(tmp_path / "elsewhere.pth")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_broken_file_of_weights(fidelity, tmp_path, content):
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a readable file of weights"):
        InceptionFeatures(weights=path, device=CPU)


def test_weights_of_another_network(fidelity, tmp_path):
    # torch-fidelity loads strictly, so foreign keys raise RuntimeError.
    class Strict(fidelity.FeatureExtractorInceptionV3):
        def __init__(self, name, features_list, feature_extractor_weights_path=None, **kwargs):
            super().__init__(name, features_list, feature_extractor_weights_path)
            self.load_state_dict(torch.load(feature_extractor_weights_path))

    fidelity.FeatureExtractorInceptionV3 = Strict
    torch.save({"foreign": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="holds other weights"):
        InceptionFeatures(weights=tmp_path / "other.pth", device=CPU)


class Evil:
    def __reduce__(self):
        return (print, ("unpickled",))


def test_a_file_with_code_is_refused_before_it_runs(fidelity, tmp_path, capsys):
    path = tmp_path / "evil.pth"
    torch.save({"weight": Evil()}, path)
    with pytest.raises(DataError, match="not a readable file of weights"):
        InceptionFeatures(weights=path, device=CPU)
    assert "unpickled" not in capsys.readouterr().out


def test_other_signals_are_refused(fidelity, hub):
    torch.save({}, hub / WEIGHTS_FILE)
    extractor = InceptionFeatures(device=CPU)
    for shape in ((2, 1, 32, 32), (2, 3, 32), (0, 3, 32, 32)):
        with pytest.raises(ShapeError, match="frechet"):
            extractor(torch.zeros(shape))
