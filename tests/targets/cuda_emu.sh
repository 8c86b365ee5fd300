#!/bin/sh
# The kernels' CUDA text, run on this machine: in order, and in two random orders of threads.
. "$(dirname "$0")/common.sh"
need "${CXX:-g++}" g++
for model in digits tiny_transformer; do
    "$onnxcc" "$(model_of $model)" --device=cuda-emu -o $model.emu
    for seed in 0 1 2; do
        ONNXCC_EMU_SEED=$seed ./$model.emu --check "$(data_of $model)"
    done
done

# runtime functions that the device does, also with checks of their accesses
checks=none
command -v clang++-19 > /dev/null && checks="none races address"
for check in $checks; do
    ONNXCC_EMU_CHECK=${check#none} "$onnxcc" "$root/tests/run/models/ordered.onnx" --device=cuda-emu -q \
        -o ordered.$check
    for seed in 0 1; do
        ASAN_OPTIONS=detect_leaks=0 ONNXCC_EMU_SEED=$seed ./ordered.$check --threads 1 \
            --check "$root/tests/run/models/ordered"
    done
done
# what warps ask of memory: neighbours fill sectors, sums of rows are written alone
if [ "$checks" != none ]; then
    for model in types pair; do
        ONNXCC_EMU_CHECK=traffic "$onnxcc" "$root/tests/run/models/$model.onnx" --device=cuda-emu -q -o $model.traffic
    done
    ./types.traffic --threads 1 --dim N=1024 2> traffic.log
    grep -q 'traffic: types_k0_add_kernel reads 8[0-9]* of 8[0-9]* writes 8192 of 8192 shared 0 of 0$' traffic.log
    ./pair.traffic --threads 1 --dim N=64 --dim K=96 --dim M=128 2> traffic.log
    grep -q 'traffic: pair_k3_sum_kernel .* writes 256 of 2048 shared 16896 of 16896$' traffic.log
fi
printf '\12\0\0\0\0\0\0\0' > k.bin # 10 of 9 elements
if ./ordered.none --dim N=9 --input k=k.bin 2> refused.log; then
    echo "FAIL: TopK gives more than there is"
    exit 1
fi
grep -q 'TopK_of_y.*its inputs ask for something impossible' refused.log
