import pytest
import torch

from skimage_tvflow.inputs import devices as _devices
from skimage_tvflow.inputs.arrays import ingest
from skimage_tvflow.inputs.devices import resolve_device

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with the devices named."""

    def pretend(*devices):
        listed = [torch.device(d) for d in devices]
        monkeypatch.setattr(_devices, "available_devices", lambda: listed)

    return pretend


def chosen(device, home="cpu", dtype=torch.float32):
    return str(resolve_device(device, home=torch.device(home), dtype=dtype))


def test_this_machine():
    assert ingest([0.0, 1.0]).tensor.device == CPU
    assert resolve_device("cpu", home=CPU, dtype=torch.float64) == CPU
    assert resolve_device(CPU, home=CPU, dtype=torch.float32) == CPU
    assert resolve_device("auto", home=CPU, dtype=torch.float64).type in ("cuda", "cpu")
    assert ingest([0.0, 1.0], device="cpu").tensor.device == CPU


def test_auto_takes_the_best_that_has_the_dtype(machine):
    machine("cuda:0", "cuda:1", "cpu")
    assert chosen("auto") == "cuda:0"
    assert chosen("auto", home="cuda:1") == "cuda:1"
    machine("mps", "cpu")
    assert chosen("auto") == "mps"
    assert chosen("auto", dtype=torch.float64) == "cpu"
    machine("cpu")
    assert chosen("auto") == "cpu"


def test_by_name(machine):
    machine("cuda:0", "cuda:1", "cpu")
    assert chosen("cuda") == "cuda:0"
    assert chosen("cuda", home="cuda:1") == "cuda:1"
    assert chosen("cuda:1") == "cuda:1"
    assert chosen(torch.device("cuda", 0), home="cuda:1") == "cuda:0"
    assert chosen("cpu", home="cuda:1") == "cpu"
    assert chosen("cpu:0") == "cpu"


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x"])
def test_unknown(machine, device):
    machine("cuda:0", "cpu")
    message = f"device='{device}' is not a device.*Needed.*Pass device='cpu' or 'cuda:0' or 'a"
    with pytest.raises(ValueError, match=message):
        resolve_device(device, home=CPU, dtype=torch.float32)


@pytest.mark.parametrize("device", ["cuda:7", "mps", torch.device("xpu")])
def test_not_available(machine, device):
    machine("cuda:0", "cpu")
    message = rf"device='{device}' is not available here\. Needed.*Pass device='cpu' or 'cuda:0'"
    with pytest.raises(ValueError, match=message):
        resolve_device(device, home=CPU, dtype=torch.float32)


def test_without_the_dtype(machine):
    machine("mps", "cpu")
    with pytest.raises(ValueError, match=r"'mps' has no float64.*Pass device='cpu'.*float32"):
        resolve_device("mps", home=CPU, dtype=torch.float64)
    assert chosen("mps") == "mps"


@pytest.mark.parametrize("device", [0, 1.5, ["cpu"], True])
def test_wrong_type(device):
    with pytest.raises(TypeError, match=r"must be a string, a torch.device or None.*'cpu'"):
        ingest([0.0, 1.0], device=device)
