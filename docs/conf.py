"""How Sphinx builds this documentation: ``make docs``. Nothing is fetched from the internet."""

import logging
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
import matplotlib

matplotlib.use("Agg")

import public_names
import warm_up
from sphinx_gallery.sorting import ExplicitOrder, FileNameSortKey

import skimage_tvflow

# Compiles the kernels before any page runs: "Compiling for this processor" is no result.
warm_up.compile_kernels()
logging.getLogger("skimage_tvflow").setLevel(logging.ERROR)

project = "skimage-tvflow"
author = "skimage-tvflow developers"
copyright = "skimage-tvflow developers"
release = version = skimage_tvflow.__version__
html_title = "skimage-tvflow"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "public_names",
    "pictures",
]
exclude_patterns = ["README.md", "examples", "auto_examples/**/*.ipynb", "auto_examples/**/*.py"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore = [("py:class", "sklearn.pipeline.Pipeline")]

# ---- Markdown
myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# ---- docstrings
default_role = "name"  # of _ext/public_names.py: a link for public names, code for all others
autosummary_generate = True
autosummary_context = {
    "guide": public_names.GUIDE_OF,
    "public_methods": public_names.public_methods,
    "member_type": public_names.member_type,
}
autodoc_typehints = "none"  # types are in the numpydoc sections, with shapes and units
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template of classes lists methods itself
numpydoc_class_members_toctree = False
python_maximum_signature_line_length = 70

# ---- doctests: those of pages and of all docstrings
doctest_global_setup = "import numpy as np"
doctest_test_doctest_blocks = "default"

# ---- formulas, from a file of this folder
mathjax_path = "mathjax/tex-svg-full.js"
mathjax3_config = {"svg": {"fontCache": "none"}, "options": {"enableMenu": False}}

# ---- references
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"
bibtex_tooltips = True

# ---- gallery
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "subsection_order": ExplicitOrder(
        ["examples/basics", "examples/applications", "examples/methods"]
    ),
    "within_subsection_order": FileNameSortKey,
    "filename_pattern": r"[\\/]plot_",
    "ignore_pattern": r"[\\/](?!plot_)[^\\/]*\.py$",
    "abort_on_example_error": True,
    "backreferences_dir": "api/backreferences",
    "doc_module": ("skimage_tvflow",),
    "inspect_global_variables": True,
    "prefer_full_module": {r"skimage_tvflow\.\w+\.\w+"},
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib",
    "matplotlib_animations": False,
    "image_scrapers": ("matplotlib",),
    "image_srcset": ["2x"],
    "min_reported_time": 0,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "plot_gallery": True,
    "remove_config_comments": True,
    "reset_modules": ("warm_up.reset_pictures",),
    "thumbnail_size": (320, 224),
    "promote_jupyter_magic": False,
    "write_computation_times": False,
}

# ---- look
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {
        "text": "skimage-tvflow",
        "image_light": "_static/favicon.svg",
        "image_dark": "_static/favicon.svg",
    },
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "show_nav_level": 1,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "benchmarks": [], "paper": [], "install": [], "quickstart": []}

# ---- code that is shown with a prompt is copied without it
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

suppress_warnings = ["config.cache"]  # sorting keys of the gallery cannot be pickled
