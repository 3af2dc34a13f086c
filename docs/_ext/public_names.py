"""Links from names in docstrings to their pages.

Docstrings put all names in single backticks: public ones such as `tv_flow`, and parameters such as
`tol`. Sphinx would look for a page of each. Here a public name becomes a link, in whatever module
it is mentioned, and every other one is shown as code.
"""

import importlib
import inspect
import re

from docutils import nodes
from sphinx import addnodes

MODULES = (
    "skimage_tvflow",
    "skimage_tvflow.applications",
    "skimage_tvflow.baselines",
    "napari_tvflow.functions",
)


def public_names() -> dict[str, str]:
    """Return the full name of every public class and function, by its short name."""
    names = {}
    for prefix in MODULES:
        module = importlib.import_module(prefix)
        for name in module.__all__:
            if not inspect.ismodule(getattr(module, name)):
                names[name] = f"{prefix}.{name}"
    return names


NAMES = public_names()


def name_role(role, rawtext, text, lineno, inliner, options=None, content=None):
    """Make a link of a public name, with or without a method, and code of anything else."""
    bare = text.removesuffix("()")
    owner, _, member = bare.partition(".")
    shown = nodes.literal(rawtext, text, classes=["xref", "py"])
    if owner not in NAMES or (member and not hasattr(_find(owner), member)):
        return [nodes.literal(rawtext, text)], []
    target = NAMES[owner] + (f".{member}" if member else "")
    link = addnodes.pending_xref(
        rawtext,
        shown,
        refdomain="py",
        reftype="obj",
        reftarget=target,
        refexplicit=True,
        refwarn=True,
    )
    link.source, link.line = inliner.document.current_source, lineno
    return [link], []


def _find(name: str) -> object:
    module, _, bare = NAMES[name].rpartition(".")
    return getattr(importlib.import_module(module), bare)


def resolve_short_name(app, env, node, contnode):
    """Find `tv_flow` from a docstring of another module, as in "See Also"."""
    if node.get("refdomain") != "py":
        return None
    target = NAMES.get(node["reftarget"].split(".")[-1])
    if target is None or target == node["reftarget"]:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node.get("refdoc", ""), app.builder, "obj", target, node, contnode
    )


# The page of the user guide that explains a name; the templates of autosummary link to it.
GUIDE = {
    "/guide/flow": ["tv_flow", "total_variation", "plot_scale_space"],
    "/guide/time": ["extinction_time", "geometric_times", "select_scale"],
    "/guide/accuracy": ["certify", "CertifiedError", "TVFlowResult"],
    "/guide/spectral": [
        "spectral_decompose",
        "SpectralDecomposition",
        "iter_bands",
        "SpectralBand",
        "Spectrum",
        "plot_bands",
        "plot_spectrum",
        "separate_texture",
        "fuse",
        "denoise",
        "noise_level",
    ],
    "/guide/scale_space": ["scale_space", "ScaleSpace", "Progress", "StoppedByCallback"],
    "/guide/napari": [
        "flow_layer",
        "scale_space_layer",
        "band_layers",
        "Band",
        "load_bands",
        "save_bands",
        "UnusableImage",
    ],
    "/guide/methods": [
        "ChambolleTVFlow",
        "JointSpaceTimeTVFlow",
        "TVFlowNet",
        "RegularizedTVFlow",
        "PINNTVFlow",
        "BladeTVFlow",
        "BandNetTVFlow",
    ],
}
GUIDE_OF = {name: page for page, names in GUIDE.items() for name in names}

# Methods that every scikit-learn estimator has, and that say nothing of the flow.
OF_SCIKIT_LEARN = {"set_output", "set_transform_request", "get_metadata_routing"}
# Of what other Python types bring along, such as those of float and tuple, none is shown.
OWN_PREFIXES = ("skimage_tvflow", "napari_tvflow", "sklearn")


def public_methods(fullname: str) -> list[str]:
    """Return the methods and properties for the page of a class, in the order of the source."""
    owner = _find(fullname.rpartition(".")[2])
    shown = []
    for base in owner.__mro__:
        if not base.__module__.startswith(OWN_PREFIXES) or issubclass(owner, tuple):
            continue
        for name, value in vars(base).items():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if (
                callable(function)
                and not name.startswith("_")
                and name not in OF_SCIKIT_LEARN
                and name not in shown
                and not inspect.isclass(function)
                and inspect.getdoc(function)
            ):
                shown.append(name)
    return shown


def member_type(fullname: str, name: str) -> str:
    """Return what autodoc calls a member: a property or a method."""
    value = inspect.getattr_static(_find(fullname.rpartition(".")[2]), name)
    return "property" if isinstance(value, property) else "method"


# Shapes such as (T, *image.shape): a star would begin a word in italics.
STAR = re.compile(r"(?<![\\*\w])\*(?=(?:image|spatial)\b)")


def escape_stars(app, what, name, obj, options, lines):
    """Escape the stars of shapes in a docstring, but for those inside double backticks."""
    for i, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [STAR.sub(r"\\*", part) for part in parts[::2]]
        lines[i] = "``".join(parts)


# A number such as 1.2e-03, and a mean with its deviation: a line may not end within them.
EXPONENT, DEVIATION = re.compile(r"(?<=\d)e-(?=\d)"), re.compile(r" ± ")


def keep_numbers_together(app, doctree):
    """Forbid line breaks inside the numbers of tables."""
    for entry in doctree.findall(nodes.entry):
        for text in list(entry.findall(nodes.Text)):
            joined = DEVIATION.sub("\u00a0±\u00a0", EXPONENT.sub("e-\u2060", text))
            if joined != text:
                text.parent.replace(text, nodes.Text(joined))


def setup(app):
    """Register the role, the fallback and the escapes."""
    app.add_role("name", name_role)
    app.connect("doctree-read", keep_numbers_together)
    app.connect("autodoc-process-docstring", escape_stars, priority=100)
    app.connect("missing-reference", resolve_short_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
