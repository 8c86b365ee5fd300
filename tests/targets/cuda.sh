#!/bin/sh
# CUDA C, and NVRTC's cubins and PTX of it.
. "$(dirname "$0")/common.sh"
arch=sm_80
for model in digits tiny_transformer; do
    "$onnxcc" "$(model_of $model)" --emit=cuda -o $model.cu
    grep -q 'extern "C" __global__ void .*_kernel(' $model.cu
    if ! "$onnxcc" "$(model_of $model)" --emit=cubin --gpu-arch=$arch -q -o $model.cubin 2> cubin.log; then
        cat cubin.log
        test ! -e $model.cubin
        grep -q 'NVRTC .* was not found' cubin.log && echo "skipped: no CUDA toolkit" && exit 77
        exit 1
    fi
    head -c 4 $model.cubin | grep -q ELF
    for kernel in $(sed -n 's/.*__global__ .* \([a-z0-9_]*_kernel\)($/\1/p' $model.cu); do
        grep -q "$kernel" $model.cubin || { echo "FAIL: $model.cubin lacks $kernel"; exit 1; }
    done
    echo "$model: ok for $arch"
    arch=sm_90
done
"$onnxcc" "$(model_of digits)" --emit=ptx --gpu-arch=sm_90a -q -o digits.ptx
grep -q '^\.target sm_90$' digits.ptx
if "$onnxcc" "$(model_of digits)" --emit=cubin --gpu-arch=sm_35 -o old.cubin 2> old.log; then exit 1; fi
grep -q 'does not know sm_35' old.log
test ! -e old.cubin
