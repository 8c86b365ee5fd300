"""PyTorch's side of the GPU measurements: eager (cuBLAS, cuDNN and its own kernels) and torch.compile.

Started by run.sh, which asks line by line, `matmul f16 4096`, and reads one line for each: milliseconds
eager, milliseconds compiled, bytes of memory at most; `-` where something cannot be had, with the reason
on stderr. A row of calls is queued and then waited for, as onnxcc's --bench does.
"""

import pathlib
import statistics
import sys
import time

import torch
import torch.nn.functional as F

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
ROWS, ROW_SECONDS, MOST = 5, 0.05, 1000
made = {}  # request to (eager, compiled): what is compiled once


def tensor(dtype, *shape):
    return torch.rand(*shape, device="cuda", dtype=TYPES[dtype]) * 2 - 1


def matmul(dtype, n):
    a, b = tensor(dtype, n, n), tensor(dtype, n, n)
    return torch.matmul, (a, b)


def conv(dtype, batch, channels, size):
    x = tensor(dtype, batch, channels, size, size).to(memory_format=torch.channels_last)
    w = tensor(dtype, channels, channels, 3, 3).to(memory_format=torch.channels_last)
    return lambda x, w: F.conv2d(x, w, padding=1), (x, w)


def attention(dtype, batch, heads, length, width):
    return F.scaled_dot_product_attention, [tensor(dtype, batch, heads, length, width)] * 3


def copy(dtype, *shape):
    return torch.neg, (tensor(dtype, *shape),)


def transpose(dtype, *shape):
    return lambda x: x.t().contiguous(), (tensor(dtype, *shape),)


def add(dtype, *shape):
    return torch.add, (tensor(dtype, *shape), tensor(dtype, *shape))


def gelu(dtype, *shape):
    return F.gelu, (tensor(dtype, *shape),)


def softmax(dtype, *shape):
    return lambda x: F.softmax(x, -1), (tensor(dtype, *shape),)


def layernorm(dtype, rows, columns):
    w, b = tensor(dtype, columns), tensor(dtype, columns)
    return lambda x, w, b: F.layer_norm(x, (columns,), w, b), (tensor(dtype, rows, columns), w, b)


def rmsnorm(dtype, rows, columns):
    w = tensor(dtype, columns)
    return lambda x, w: F.rms_norm(x, (columns,), w), (tensor(dtype, rows, columns), w)


def network(name):
    """A model of bench/models, with the inputs that are measured."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    from networks import TABLE
    built = TABLE[name].function(False)
    inputs = [torch.from_numpy(v).cuda() for v in built.sets[0].values()]
    return built.module.cuda().eval(), inputs


KINDS = {f.__name__: f for f in (matmul, conv, attention, copy, transpose, add, gelu, softmax,
                                 layernorm, rmsnorm, network)}


def milliseconds(call):
    def row(n):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(n):
            call()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / n
    row(3)
    n = max(1, min(MOST, int(ROW_SECONDS / row(2))))
    return statistics.median(row(n) for _ in range(ROWS)) * 1e3


def attempt(what, call):
    try:
        return f"{milliseconds(call):.6f}"
    except Exception as error:  # whatever PyTorch lacks here: the table says "-"
        print(f"{what}: {type(error).__name__}: {str(error).splitlines()[:1]}", file=sys.stderr)
        return "-"


def make(request):
    kind, *args = request.split()
    function, inputs = KINDS[kind](*[int(a) if a.isdigit() else a for a in args])
    compiled = torch.compile(function, mode="reduce-overhead" if kind == "network" else "default")
    return (lambda: function(*inputs)), (lambda: compiled(*inputs))


def answer(request):
    torch.cuda.reset_peak_memory_stats()
    try:
        if request not in made:
            made[request] = make(request)
    except Exception as error:
        print(f"{request}: {type(error).__name__}: {error}", file=sys.stderr)
        return "- - -"
    eager, compiled = made[request]
    times = attempt(request, eager), attempt(f"{request}, compiled", compiled)
    return f"{times[0]} {times[1]} {torch.cuda.max_memory_allocated()}"


def main():
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU")
    print(f"PyTorch {torch.__version__} (CUDA {torch.version.cuda}, cuDNN "
          f"{torch.backends.cudnn.version()})", flush=True)
    last = None
    with torch.no_grad():
        for line in sys.stdin:
            request = line.strip()
            if last not in (None, request):  # one request's tensors at a time
                made.clear()
                torch.cuda.empty_cache()
            last = request
            print(answer(request), flush=True)


if __name__ == "__main__":
    main()
