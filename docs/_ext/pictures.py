"""The pictures of the landing page, made by the build: an overview and a film.

They are drawn into ``docs/pictures``, and made again when this file or the version of the
package has changed.
"""

import hashlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "pictures"

# Colours of the three bands, on the curve and around the images: legible on white and on black.
COLOURS = ("#d1495b", "#edae49", "#3a7ca5")
INK = {"light": "#222832", "dark": "#dce3ea"}
FRAMES = 36


WIDE = [["f0", "f1", "f2", "f3"], ["text", "b0", "b1", "b2"], ["s", "s", "s", "s"]]
NARROW = [["f0", "f1"], ["f2", "f3"], ["text", "b0"], ["b1", "b2"], ["s", "s"]]


def overview(theme: str, space: object, image: np.ndarray, layout: list, size: tuple) -> None:
    """Draw frames of the flow, what vanished between them, and the spectrum."""
    import matplotlib.pyplot as plt

    ink = INK[theme]
    with plt.rc_context(
        {
            "text.color": ink,
            "axes.labelcolor": ink,
            "axes.edgecolor": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            "font.size": 13,
        }
    ):
        times = (0.0, 0.2, 1.6, 6.0)
        what = ("noise, wear, the relief", "edges, shading of the coins", "the coins themselves")
        figure = plt.figure(figsize=size, layout="constrained")
        heights = [1] * (len(layout) - 1) + [0.7]
        axes = figure.subplot_mosaic(layout, height_ratios=heights)
        titles = ["the image, t = 0"] + [f"the flow at t = {t:g}" for t in times[1:]]
        for i, (t, title) in enumerate(zip(times, titles, strict=True)):
            axes[f"f{i}"].imshow(space(t), cmap="gray", vmin=0, vmax=1)
            axes[f"f{i}"].set_title(title, fontsize=13)
        edges = (0.0, *times[1:])
        for i, colour in enumerate(COLOURS):
            band = space.band_pass(edges[i], edges[i + 1])
            spread = np.percentile(abs(band), 99.5)
            axis = axes[f"b{i}"]
            axis.imshow(band, cmap="gray", vmin=-spread, vmax=spread)
            axis.set_title(what[i], fontsize=13)
            height, width = band.shape
            axis.add_patch(
                plt.Rectangle((0, 0), width - 1, height - 1, fill=False, lw=5, edgecolor=colour)
            )
        axes["text"].text(
            0.5,
            0.5,
            "and what\nvanished\non the way",
            ha="center",
            va="center",
            fontsize=15,
            style="italic",
            transform=axes["text"].transAxes,
        )
        for name, axis in axes.items():
            if name != "s":
                axis.set_axis_off()
        spectrum = space.spectrum(np.geomspace(0.01, 2.5 * space.extinction_time, 28))
        height = spectrum.times * spectrum.l1 / image.size
        axis = axes["s"]
        ratio = spectrum.times[1] / spectrum.times[0]
        sides = np.append(spectrum.times, spectrum.times[-1] * ratio) / np.sqrt(ratio)
        kind = np.searchsorted(edges[1:], spectrum.times)
        axis.bar(
            sides[:-1],
            height,
            np.diff(sides) * 0.92,
            align="edge",
            color=[(*COLOURS, "#8d99ae")[k] for k in kind],
        )
        axis.set_xscale("log")
        axis.set_xlim(0.01, 1.3 * space.extinction_time)
        last = 1.25 * space.extinction_time
        axis.text(last, 1.08 * height.max(), "light and shade", ha="right", fontsize=12)
        axis.set_ylim(0, 1.3 * height.max())
        axis.set_xlabel("time t of the flow")
        axis.set_ylabel("how much vanishes")
        axis.set_title("the spectrum: every hump is a kind of structure", fontsize=13)
        axis.spines[["top", "right"]].set_visible(False)
        axis.patch.set_alpha(0)
        width = "wide" if layout is WIDE else "narrow"
        figure.savefig(FOLDER / f"overview-{width}-{theme}.png", dpi=100, transparent=True)
        plt.close(figure)


def film(space: object, image: np.ndarray) -> None:
    """Show the flow from the image to its mean, beside what has vanished."""
    from PIL import Image, ImageDraw

    # The first frame, shown for longer, already has something to see at the right.
    times = np.geomspace(0.1, space.extinction_time, FRAMES)
    height = len(image)
    bar = 24
    frames = []
    for k, t in enumerate(times):
        u = space(float(t))
        pair = np.hstack([u, np.full((height, 8), 1.0), (image - u) + 0.5])
        grey = (255 * np.clip(pair, 0, 1)).round().astype(np.uint8)
        frame = Image.new("RGB", (grey.shape[1], height + bar), "white")
        frame.paste(Image.fromarray(grey), (0, 0))
        draw = ImageDraw.Draw(frame)
        track, share = (height + 6, height + bar - 1), (k + 1) / FRAMES
        draw.rectangle((0, track[0], grey.shape[1], track[1]), fill="#dce3ea")
        draw.rectangle((0, track[0], share * grey.shape[1], track[1]), fill=COLOURS[2])
        frames.append(frame)
    durations = [1500, *[160] * (FRAMES - 2), 2000]
    frames[0].save(
        FOLDER / "flow.webp",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=3,
        quality=90,
        method=5,
        kmin=1,
        kmax=2,
    )


def make(app: object) -> None:
    """Make all pictures unless they are there already."""
    import skimage

    import skimage_tvflow

    text = Path(__file__).read_bytes() + skimage_tvflow.__version__.encode()
    mark, stamp = FOLDER / "made-from", hashlib.sha256(text).hexdigest()
    if mark.is_file() and mark.read_text() == stamp:
        return
    FOLDER.mkdir(exist_ok=True)
    coins = skimage.util.img_as_float32(skimage.data.coins())[10:190, 10:250]
    space = skimage_tvflow.scale_space(coins, tol=2e-3)
    for theme in INK:
        overview(theme, space, coins, WIDE, (12, 7.7))
        overview(theme, space, coins, NARROW, (6.6, 12))
    camera = skimage.util.img_as_float32(skimage.data.camera())
    camera = skimage.transform.downscale_local_mean(camera, (2, 2))
    film(skimage_tvflow.scale_space(camera, tol=5e-3), camera)
    mark.write_text(stamp)


def setup(app):
    """Make the pictures before any page is read."""
    app.connect("builder-inited", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
