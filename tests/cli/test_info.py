from __future__ import annotations

import numba
import torch

import skimage_tvflow


def test_json_names_versions_devices_and_threads(tvflow, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    record = tvflow("info", "--json").json
    assert record["versions"]["skimage-tvflow"] == skimage_tvflow.__version__
    assert record["versions"]["torch"] == torch.__version__
    assert set(record["backends"]) == {"numba", "torch"}
    assert record["devices"][0] == "cpu"
    assert len(record["devices"]) >= 1 + torch.cuda.device_count()
    assert "__pycache__" in record["cache"]
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/there")
    assert tvflow("info", "--json").json["cache"] == "/there"
    assert record["threads"] == torch.get_num_threads()


def test_lines_for_people(tvflow):
    outcome = tvflow("info")
    assert outcome.status == 0
    assert f"threads    {torch.get_num_threads()}\n" in outcome.out
    lines = outcome.out.splitlines()
    assert f"           torch {torch.__version__}" in lines
    # every backend and device has a line of its own, as their descriptions have commas
    first = next(i for i, line in enumerate(lines) if line.startswith("backends"))
    assert lines[first].startswith("backends   numba on the CPU")
    assert lines[first + 1].startswith("           torch on every device")
    assert lines[first + 2] == "devices    cpu"
