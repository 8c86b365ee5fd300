#!/bin/sh
# Programs of --device=cuda, run against a driver that executes their kernels on this machine
# (tests/cuda/driver), and what they say where something is missing.
. "$(dirname "$0")/common.sh"
need "${CC:-cc}" gcc
need "${CXX:-g++}" g++
here=$(cd "$(dirname "$0")" && pwd)
${CC:-cc} -shared -fPIC -O1 -o libcuda.so.1 "$here"/../cuda/driver/*.c -pthread

# refused COMMAND... PATTERN: exit code 1 and the message
refused() {
    pattern=$1
    shift
    code=0
    env "$@" > refused.log 2>&1 || code=$?
    if [ $code != 1 ] || ! grep -q "$pattern" refused.log; then
        echo "FAIL: $* ended with $code, not with: $pattern"
        cat refused.log
        exit 1
    fi
}

for model in digits tiny_transformer; do
    if ! "$onnxcc" "$(model_of $model)" --device=cuda --gpu-arch=sm_80 --gpu-arch=sm_90a -q \
        -o $model.gpu 2> gpu.log; then
        cat gpu.log
        test ! -e $model.gpu
        grep -q 'NVRTC .* was not found' gpu.log && echo "skipped: no CUDA toolkit" && exit 77
        exit 1
    fi
    "$onnxcc" "$(model_of $model)" --emit=cuda --gpu-arch=sm_80 --gpu-arch=sm_90a -q -o $model.gpu.cu
    # the text names its functions after the output, as the program does
    ${CXX:-g++} -std=gnu++17 -O1 -shared -fPIC -ffp-contract=off -x c++ \
        -include "$here/../../runtime/emu/cuda_emu.h" $model.gpu.cu -o $model.so
    for seed in 0 1; do
        env LD_LIBRARY_PATH=. FAKE_CUDA_KERNELS=./$model.so ONNXCC_EMU_SEED=$seed \
            ./$model.gpu --check "$(data_of $model)" 2> driver.log
        grep -q 'loads cubin' driver.log
    done
done

# what the host does beside the GPU: strings, sequences, runtime functions, sizes of the run, loops
for model in words nonzero top ordered rounds late narrow_flow complex ragged maybe; do
    file=$root/tests/run/models/$model.onnx
    "$onnxcc" "$file" --device=cuda --gpu-arch=sm_80 -q -o $model.gpu
    "$onnxcc" "$file" --emit=cuda --gpu-arch=sm_80 -q -o $model.gpu.cu
    ${CXX:-g++} -std=gnu++17 -O1 -shared -fPIC -ffp-contract=off -x c++ \
        -include "$here/../../runtime/emu/cuda_emu.h" $model.gpu.cu -o $model.so
    env LD_LIBRARY_PATH=. FAKE_CUDA_KERNELS=./$model.so ./$model.gpu --check "$root/tests/run/models/$model"
done

gpu="LD_LIBRARY_PATH=. FAKE_CUDA_KERNELS=./digits.so"
# PTX where no cubin fits or the driver takes none
env $gpu FAKE_CUDA_CHIP=121 ./digits.gpu --check "$(data_of digits)" 2>&1 | grep -q 'loads ptx'
env $gpu FAKE_CUDA_CHIP=90 FAKE_CUDA_REFUSE=cubin ./digits.gpu --check "$(data_of digits)" 2>&1 | grep -q 'loads ptx'
env $gpu FAKE_CUDA_CHIP=90 ./digits.gpu --trace trace.json > /dev/null 2>&1
grep -q '"tid": 1.*_conv\|_conv.*"tid": 1' trace.json
grep -q '"tid": 2.*_conv\|_conv.*"tid": 2' trace.json
refused 'sm_75.*cannot run this program.*sm_80, sm_90a, compute_90' $gpu FAKE_CUDA_CHIP=75 ./digits.gpu
refused 'cannot run what ONNXCC_CUDA_CODE asks for, "sm_75"; this program was compiled for sm_80' \
    $gpu ONNXCC_CUDA_CODE=sm_75 ./digits.gpu
refused 'no NVIDIA GPU was found' $gpu FAKE_CUDA_DEVICES=0 ./digits.gpu
refused 'driver is too old: it knows CUDA 10.2' $gpu FAKE_CUDA_VERSION=10020 ./digits.gpu
refused 'out of memory: [0-9]* bytes needed for the weights, 4096 of 4096 free' $gpu FAKE_CUDA_MEMORY=4096 ./digits.gpu
refused 'running the kernels: an illegal memory access.*ONNXCC_CUDA_SYNC=1' $gpu FAKE_CUDA_FAULT=1 ./digits.gpu
refused 'kernel k[0-9]*_conv (conv1.*: an illegal memory access' $gpu FAKE_CUDA_FAULT=1 ONNXCC_CUDA_SYNC=1 ./digits.gpu
refused 'asks for more than the GPU has' $gpu FAKE_CUDA_LIMIT=1 ./digits.gpu
refused 'the driver takes none of this program.s kernels' $gpu FAKE_CUDA_REFUSE=all ./digits.gpu
# runs with the same dimensions are replayed, unless told not to
env $gpu FAKE_CUDA_SAY=1 ./digits.gpu --bench --runs 3 > bench.log 2>&1
grep -q 'graph' bench.log
grep -q '[1-9][0-9]* runs replayed' bench.log
grep -q 'on the device: [0-9].* ms for a run between tensors there' bench.log
env $gpu ./digits.gpu --bench --runs 3 --json 2> bench.log | grep -q '"ms_device": [0-9]*\.[0-9]*, '
env LD_LIBRARY_PATH=. FAKE_CUDA_KERNELS=./nonzero.so ./nonzero.gpu --bench --runs 3 > bench.log 2>&1 || { cat bench.log; exit 1; }
env $gpu FAKE_CUDA_SAY=1 ONNXCC_CUDA_GRAPHS=0 ./digits.gpu --bench --runs 3 > bench.log 2>&1
if grep -q 'graph' bench.log; then
    echo "FAIL: ONNXCC_CUDA_GRAPHS=0 still records"
    exit 1
fi
if ! ldconfig -p 2> /dev/null | grep -q libcuda.so.1; then
    refused 'libcuda.so.1 was not found: install' A=1 ./digits.gpu
fi
