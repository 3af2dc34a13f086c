"""Arrays in and out: every kind of array gives its values and its own kind back."""

import sys
import types
import warnings

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skimage_tvflow.inputs.arrays import ingest

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def ramp(dtype=float, shape=(4, 6)):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def memory_mapped(tmp_path):
    np.save(tmp_path / "image.npy", ramp())
    return np.load(tmp_path / "image.npy", mmap_mode="r")


def read_only():
    image = ramp()
    image.flags.writeable = False
    return image


EXOTIC = {
    "flipped": lambda _: ramp()[::-1, ::-1],
    "broadcast": lambda _: np.broadcast_to(np.arange(6.0), (4, 6)),
    "memory-mapped": memory_mapped,
    "big-endian float64": lambda _: ramp(">f8"),
    "big-endian uint16": lambda _: ramp(">u2"),
    "read-only": lambda _: read_only(),
    "strided": lambda _: ramp(shape=(8, 12))[::2, ::3],
    "fortran": lambda _: np.asfortranarray(ramp()),
    "object": lambda _: ramp().astype(object),
    "object of large integers": lambda _: np.array([[10**25, 1], [2, 3]], dtype=object),
    "longdouble": lambda _: ramp(np.longdouble),
}


class TestNumpy:
    @pytest.mark.parametrize("kind", EXOTIC)
    def test_every_memory_layout(self, kind, tmp_path):
        image = EXOTIC[kind](tmp_path)
        ingested = ingest(image)
        expected = np.asarray(image, dtype=np.float64)
        assert ingested.tensor.dtype == torch.float64
        assert ingested.tensor.is_contiguous()
        np.testing.assert_array_equal(ingested.tensor.numpy(), expected)
        result = ingested.restore(ingested.tensor)
        assert type(result) is np.ndarray
        assert result.dtype == np.dtype("=f8")
        assert result.flags.writeable
        np.testing.assert_array_equal(result, expected)

    @pytest.mark.parametrize(
        ("dtype", "expected"),
        [
            ("float32", "float32"),
            ("float64", "float64"),
            ("float16", "float32"),
            (">f4", "float32"),
            (">f2", "float32"),
            ("longdouble", "float64"),
            ("bool", "float64"),
            *((f"{sign}int{bits}", "float64") for sign in ("", "u") for bits in (8, 16, 32, 64)),
        ],
    )
    def test_dtype_policy(self, dtype, expected):
        image = (ramp() % 2).astype(dtype)
        ingested = ingest(image)
        assert str(ingested.tensor.dtype) == f"torch.{expected}"
        assert ingested.restore(ingested.tensor).dtype == expected
        np.testing.assert_array_equal(ingested.tensor.numpy(), ramp() % 2)

    def test_writing_does_not_reach_the_image(self):
        image = ramp()
        ingest(image).tensor.zero_()
        np.testing.assert_array_equal(image, ramp())

    def test_large_unsigned_values_are_kept(self):
        image = np.array([2**63, 2**64 - 1], dtype=np.uint64)
        np.testing.assert_array_equal(ingest(image).tensor.numpy(), [2.0**63, 2.0**64])

    @pytest.mark.parametrize("convert", [list, tuple, lambda x: x, memoryview])
    def test_array_likes(self, convert):
        image = convert(ramp()) if convert is memoryview else convert(ramp().tolist())
        ingested = ingest(image)
        np.testing.assert_array_equal(ingested.tensor.numpy(), ramp())
        assert isinstance(ingested.restore(ingested.tensor), np.ndarray)

    def test_objects_with_array_method(self):
        class Frame:
            def __array__(self, dtype=None, copy=None):
                return ramp()

        np.testing.assert_array_equal(ingest(Frame()).tensor.numpy(), ramp())

    def test_result_of_another_shape_and_with_gradients(self):
        restored = ingest(ramp()).restore(torch.ones(6, 2, requires_grad=True).T)
        np.testing.assert_array_equal(restored, np.ones((2, 6)))
        assert restored.flags.c_contiguous

    @settings(deadline=None, max_examples=30)
    @given(
        axes=st.permutations(range(3)),
        steps=st.tuples(*[st.sampled_from([1, -1, 2, -2])] * 3),
        dtype=st.sampled_from(["f4", ">f4", "f8", ">f8", ">i4", "u2", "f2"]),
    )
    def test_any_view_of_any_dtype(self, axes, steps, dtype):
        view = ramp(dtype, (3, 4, 5)).transpose(axes)[tuple(slice(None, None, s) for s in steps)]
        ingested = ingest(view)
        np.testing.assert_array_equal(ingested.restore(ingested.tensor), view)


class TestTorch:
    @pytest.mark.parametrize(
        ("dtype", "expected"),
        [
            (torch.float32, torch.float32),
            (torch.float64, torch.float64),
            (torch.float16, torch.float32),
            (torch.bfloat16, torch.float32),
            (torch.bool, torch.float64),
            (torch.uint8, torch.float64),
            (torch.uint16, torch.float64),
            (torch.uint64, torch.float64),
            (torch.int64, torch.float64),
        ],
    )
    def test_dtype_policy(self, dtype, expected):
        values = torch.tensor([[0.0, 1.0, 1.0]])
        ingested = ingest(values.to(dtype))
        assert ingested.tensor.dtype == expected
        assert torch.equal(ingested.restore(ingested.tensor), values.to(expected))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32])
    def test_writing_does_not_reach_the_image(self, dtype):
        image = torch.ones(3, 4, dtype=dtype)
        ingest(image).tensor.zero_()
        assert torch.equal(image, torch.ones(3, 4, dtype=dtype))

    def test_gradients_are_not_lost_without_a_word(self):
        image = torch.ones(3, 4, requires_grad=True)
        message = (
            r"^u requires grad.*no gradients.*Pass u\.detach\(\), or .*TVFlowNet\(\.\.\.\)\.net_"
        )
        for given_ in (image, 2 * image, [image[0], image[1]]):
            with pytest.raises(ValueError, match=message):
                ingest(given_, name="u")

    @pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
    def test_who_records_no_gradients_loses_none(self, context):
        image = torch.ones(3, 4, requires_grad=True)
        with context():
            ingested = ingest(image)
        assert not ingested.tensor.requires_grad
        assert not ingested.restore(ingested.tensor).requires_grad
        assert torch.equal(ingested.tensor, torch.ones(3, 4, dtype=torch.float32))

    @pytest.mark.parametrize(
        "view",
        [lambda x: x.T, lambda x: x[::2, ::3], lambda x: x[:1].expand(5, 6)],
        ids=["transposed", "strided", "expanded"],
    )
    def test_non_contiguous(self, view):
        image = view(torch.from_numpy(ramp()))
        ingested = ingest(image)
        assert ingested.tensor.is_contiguous()
        assert torch.equal(ingested.tensor, image)
        ingested.tensor.zero_()
        assert image.any()

    @needs_cuda
    @pytest.mark.parametrize("device", [None, "cuda", "cuda:0", "auto", "cpu"])
    def test_result_returns_to_the_gpu(self, device):
        ingested = ingest(torch.ones(3, 4, device="cuda"), device=device)
        assert ingested.tensor.device.type == ("cpu" if device == "cpu" else "cuda")
        restored = ingested.restore(ingested.tensor)
        assert restored.device == torch.device("cuda", 0)
        assert torch.equal(restored.cpu(), torch.ones(3, 4))

    @needs_cuda
    def test_numpy_to_the_gpu_and_back(self):
        ingested = ingest(ramp(), device="cuda")
        assert ingested.tensor.is_cuda
        np.testing.assert_array_equal(ingested.restore(ingested.tensor), ramp())


class Foreign:
    """An array of another library: it shows nothing but DLPack."""

    def __init__(self, wrapped):
        self.wrapped = wrapped

    def __dlpack__(self, **kwargs):
        return self.wrapped.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.wrapped.__dlpack_device__()


class ForeignWithNamespace(Foreign):
    def __array_namespace__(self):
        return types.SimpleNamespace(from_dlpack=lambda x: type(self)(torch.from_dlpack(x)))


class ForeignWithStrides(Foreign):
    """Like CuPy: it shows negative strides, and its copy has none. NumPy cannot read it."""

    strides = (-32, 8)

    def copy(self):
        return Foreign(self.wrapped.copy())

    def __dlpack__(self, **kwargs):
        raise AssertionError("a flipped array must not go through DLPack")


@pytest.fixture
def foreign_in_package(monkeypatch):
    """Give a class of ``otherlib.core``, whose ``from_dlpack`` is in ``otherlib``."""
    package = types.ModuleType("otherlib")
    cls = type("Array", (Foreign,), {"__module__": "otherlib.core"})
    package.from_dlpack = lambda x: cls(torch.from_dlpack(x))
    monkeypatch.setitem(sys.modules, "otherlib", package)
    monkeypatch.setitem(sys.modules, "otherlib.core", types.ModuleType("otherlib.core"))
    return cls


class TestDLPack:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.bfloat16])
    def test_namespace_of_the_array_makes_the_result(self, dtype):
        image = ForeignWithNamespace(torch.arange(6).reshape(2, 3).to(dtype))
        ingested = ingest(image)
        double = dtype in (torch.float64, torch.uint8)
        assert ingested.tensor.dtype == (torch.float64 if double else torch.float32)
        result = ingested.restore(2 * ingested.tensor)
        assert type(result) is ForeignWithNamespace
        assert result.wrapped.tolist() == [[0, 2, 4], [6, 8, 10]]

    def test_package_of_the_class_makes_the_result(self, foreign_in_package):
        ingested = ingest(foreign_in_package(torch.ones(2, 3)))
        result = ingested.restore(ingested.tensor)
        assert type(result) is foreign_in_package
        assert torch.equal(result.wrapped, torch.ones(2, 3))

    def test_numpy_where_the_library_has_no_from_dlpack(self):
        ingested = ingest(Foreign(torch.ones(2, 3)))
        result = ingested.restore(ingested.tensor)
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, np.ones((2, 3), np.float32))

    @pytest.mark.parametrize("cls", [Foreign, ForeignWithStrides])
    def test_flipped_does_not_abort(self, cls):
        np.testing.assert_array_equal(ingest(cls(ramp()[::-1])).tensor.numpy(), ramp()[::-1])

    def test_writing_does_not_reach_the_image(self):
        for dtype in (torch.float64, torch.bfloat16):
            owned = torch.ones(2, 3, dtype=dtype)
            ingest(Foreign(owned)).tensor.zero_()
            assert torch.equal(owned, torch.ones(2, 3, dtype=dtype))

    def test_unreadable(self):
        with pytest.raises(TypeError, match=r"through DLPack \(.*gradient.*Pass numpy\.asarray"):
            ingest(Foreign(torch.ones(2, 3, requires_grad=True)))


def with_value(value, dtype=float):
    image = ramp(dtype)
    image[1, 2] = value
    return image


class TestRefused:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, Foreign])
    def test_not_finite(self, value, convert):
        message = r"image contains NaN or infinity: 1 of 24 values.*at \(1, 2\).*by nan_to_num\("
        with pytest.raises(ValueError, match=message):
            ingest(convert(with_value(value)))

    def test_not_finite_in_float16_and_beyond_float64(self):
        with pytest.raises(ValueError, match="NaN or infinity"):
            ingest(with_value(np.inf, np.float16))
        if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
            with pytest.raises(ValueError, match="NaN or infinity"):
                ingest(ramp(np.longdouble) * np.longdouble("1e400"))

    def test_missing_object(self):
        with pytest.raises(ValueError, match="NaN or infinity"):
            ingest(np.array([1.0, None], dtype=object))

    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, Foreign, list])
    def test_complex(self, convert):
        message = r"Complex data not supported: image has dtype .*complex128.*Pass abs\(image\)"
        with pytest.raises(ValueError, match=message):
            ingest(convert(ramp(complex)))

    def test_sparse_matrix(self):
        sparse = pytest.importorskip("scipy.sparse")
        for kind in (sparse.csr_matrix, sparse.coo_array):
            with pytest.raises(TypeError, match=r"sparse.*dense array. Pass image\.toarray\(\)"):
                ingest(kind(ramp()))

    @pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns once of unchecked invariants
    def test_sparse_tensor(self):
        image = torch.eye(3).to_sparse()
        with pytest.raises(TypeError, match=r"sparse.*dense tensor. Pass image\.to_dense\(\)"):
            ingest(image)

    def test_tensors_that_hold_no_plain_numbers(self):
        image = torch.zeros(3, 3)
        with warnings.catch_warnings(action="ignore"):  # neither is here to stay
            quantized = torch.quantize_per_tensor(image, 0.1, 0, torch.qint8)
            nested = torch.nested.nested_tensor([image, image[:2]])
        for given_, words in (
            (image.to("meta"), r"meta tensor.*without device='meta'"),
            (quantized, r"quantized tensor.*Pass image\.dequantize\(\)"),
            (nested, r"nested tensor.*one size.*Pass image\.unbind\(\)"),
        ):
            with pytest.raises(TypeError, match=words):
                ingest(given_)

    @pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors:UserWarning")
    def test_masked(self):
        image = np.ma.masked_greater(ramp(), 20)
        objects = np.empty(2, dtype=object)
        objects[:] = [image[0], image[3]]
        for given_ in (
            image,
            np.ma.asarray(ramp()),
            [image, image],
            [ramp(), (image, image)],
            [[1.0, 2.0], [1.0, np.ma.masked]],
            objects,
            torch.masked.masked_tensor(torch.ones(3), torch.tensor([True, False, True])),
        ):
            with pytest.raises(ValueError, match=r"masked array.*every pixel.*image\.filled\("):
                ingest(given_)

    def test_lists_of_tensors_without_data(self):
        with pytest.raises(TypeError, match="image is a meta tensor"):
            ingest([torch.ones(3), torch.ones(3, device="meta")])

    def test_a_list_that_contains_itself(self):
        image = [1.0]
        image.append(image)
        with pytest.raises(ValueError, match=r"image of type list cannot be read.*Pass"):
            ingest(image)

    @pytest.mark.parametrize(
        "image",
        [
            np.array([-1.7e308, 1.7e308]),
            np.full(9, 1.7e308),
            np.array([-3e38, 3e38], np.float32),
            torch.tensor([1e308, 0.0], dtype=torch.float64),
        ],
        ids=["differences", "sums", "float32 differences", "tensor"],
    )
    def test_differences_or_sums_out_of_range(self, image):
        dtype = str(image.dtype).removeprefix("torch.")
        message = rf"image has values from .* beyond the largest {dtype} number.* Divide image by"
        with pytest.raises(ValueError, match=message):
            ingest(image)

    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
    @pytest.mark.parametrize(
        ("shape", "words"),
        [
            ((0, 3), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required\. Axis 0"),
            (
                (3, 0),
                r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required\. Axis 1",
            ),
            ((0,), r"0 sample\(s\) \(shape=\(0,\)\)"),
            ((2, 3, 0), r"0 value\(s\) \(shape=\(2, 3, 0\)\).*Axis 2 of image .*pass an array"),
        ],
    )
    def test_empty(self, convert, shape, words):
        with pytest.raises(ValueError, match=words):
            ingest(convert(np.empty(shape)))

    @pytest.mark.parametrize("image", [3.0, np.float32(3), np.array(3), torch.tensor(3.0)])
    def test_single_value(self, image):
        with pytest.raises(ValueError, match=r"0-d.*at least one axis. Pass an array"):
            ingest(image)

    @pytest.mark.parametrize(
        "image",
        [
            "camera.png",
            np.array(["1", "2"]),
            np.array([b"1"]),
            np.zeros(3, "datetime64[s]"),
            np.zeros(3, [("red", float)]),
        ],
        ids=["path", "text", "bytes", "dates", "structured"],
    )
    def test_no_numbers(self, image):
        with pytest.raises(TypeError, match=r"holds values of type .*real numbers.*Pass image="):
            ingest(image)

    def test_object_entries(self):
        image = ramp().astype(object)
        image[0, 0] = {"foo": "bar"}
        with pytest.raises(TypeError, match=r"argument must be .* string.* number.*Pass something"):
            ingest(image)
        image[0, 0] = "abc"
        with pytest.raises(ValueError, match=r"could not convert string.*real numbers"):
            ingest(image)
        image[0, 0] = 10**400
        with pytest.raises(ValueError, match=r"too large.*real numbers"):
            ingest(image)

    @pytest.mark.parametrize("image", [{"a": 1}, object(), [[1, 2], [3]], (i for i in range(3))])
    def test_no_array(self, image):
        with pytest.raises((TypeError, ValueError), match=r"image of type .* cannot be read.*Pass"):
            ingest(image)

    def test_name(self):
        with pytest.raises(ValueError, match=r"^u contains NaN"):
            ingest([np.nan], name="u")


class TestArrayAPI:
    """The strictest implementation of the array API standard: nothing but the standard works."""

    @pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
    @pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
    def test_there_and_back(self, dtype, device):
        device = array_api_strict.Device(device)
        image = array_api_strict.asarray(
            ramp(), dtype=getattr(array_api_strict, dtype), device=device
        )
        ingested = ingest(image)
        np.testing.assert_array_equal(ingested.tensor.numpy(), ramp())
        result = ingested.restore(ingested.tensor)
        assert type(result) is type(image)
        assert result.dtype == (
            array_api_strict.float32 if dtype == "float32" else array_api_strict.float64
        )
        assert result.device == device
        assert array_api_strict.all(
            result == array_api_strict.asarray(ramp(), dtype=result.dtype, device=device)
        )
