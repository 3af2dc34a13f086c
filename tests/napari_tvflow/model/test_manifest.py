"""The manifest: npe2 checks neither the names of menus nor that commands exist."""

import importlib

import pytest
from npe2 import PluginManifest

napari_menus = pytest.importorskip("napari._app_model.constants._menus")
MANIFEST = PluginManifest.from_distribution("skimage-tvflow")
CONTRIBUTIONS = MANIFEST.contributions
COMMANDS = {command.id: command for command in CONTRIBUTIONS.commands}


def test_its_name_is_that_of_the_distribution():
    assert MANIFEST.name == "skimage-tvflow"
    assert MANIFEST.package_metadata.version


def test_menus_are_open_to_plugins():
    open_menus = {str(menu) for menu in napari_menus.MenuId.contributables()}
    assert set(CONTRIBUTIONS.menus) <= open_menus
    assert {"napari/layers/filter", "napari/layers/visualize"} <= set(CONTRIBUTIONS.menus)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist(command):
    module, _, name = COMMANDS[command].python_name.partition(":")
    if ".widgets." in module:
        pytest.importorskip("qtpy.QtWidgets", reason="no Qt binding", exc_type=ImportError)
    assert callable(getattr(importlib.import_module(module), name))


def test_every_command_is_used_and_no_other():
    used = {item.command for menu in CONTRIBUTIONS.menus.values() for item in menu}
    used |= {item.command for item in CONTRIBUTIONS.widgets}
    used |= {item.command for item in CONTRIBUTIONS.sample_data}
    assert used == set(COMMANDS)


def test_defaults_of_the_preferences_are_those_of_the_code():
    from napari_tvflow.model.settings import FlowSettings

    (page,) = CONTRIBUTIONS.configurations.values()
    names = {"tolerance": "tol", "coupled_channels": "coupled", "frames": "n_times",
             "third_axis": "stack", "live_preview": "preview"}  # fmt: skip
    for key, entry in page.properties.items():
        assert entry.default == getattr(FlowSettings(), names.get(key, key)), key


def test_what_has_no_qt_imports_none():
    import subprocess
    import sys

    code = (
        "import sys, pkgutil, importlib, napari_tvflow.model as model\n"
        "import napari_tvflow.functions, napari_tvflow.samples, napari_tvflow.menus\n"
        "for module in pkgutil.iter_modules(model.__path__):\n"
        "    importlib.import_module(f'{model.__name__}.{module.name}')\n"
        "bad = {'qtpy', 'PyQt6', 'PySide6', 'torch', 'skimage_tvflow.core'} & set(sys.modules)\n"
        "sys.exit(' '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
