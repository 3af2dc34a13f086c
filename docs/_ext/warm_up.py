"""Compiles the kernels of the package once, so that no page shows or times it."""

import numpy as np


def compile_kernels() -> None:
    """Run every kernel that a page may use, on tiny images."""
    from skimage_tvflow import ChambolleTVFlow, TVFlowNet, certify, extinction_time, scale_space

    random = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for shape in ((40,), (40, 40), (8, 16, 16)):
            image = random.random(shape).astype(dtype)
            ChambolleTVFlow().solve(image, [0.1, 30.0])
        extinction_time(image)
    image = random.random((40, 40))
    for coupled in (False, True):
        flow = ChambolleTVFlow(channel_axis=-1, coupled_channels=coupled)
        flow.solve(random.random((40, 40, 3)), 0.1)
    scale_space(image, tol=0.01, certify=True)
    ChambolleTVFlow().solve(image, 0.1, mask=image > 0.1)
    ChambolleTVFlow().solve(image, 0.1, weight=image)
    certify(image, image[None], None, [0.1])
    TVFlowNet.from_pretrained("natural-2d").solve(image, 0.1)


def reset_pictures(gallery_conf: dict, file: object) -> None:
    """Set what all pictures of the gallery share; sphinx-gallery calls it before each script."""
    import matplotlib
    import matplotlib.pyplot as plt

    plt.close("all")
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(
        {"figure.dpi": 100, "savefig.dpi": 100, "image.cmap": "gray", "font.size": 10}
    )
