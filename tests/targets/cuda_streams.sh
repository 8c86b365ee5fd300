#!/bin/sh
# Kernels on several streams: the driver of tests/cuda/driver runs in a random order what no event orders, so
# that an event that is missing shows as a wrong result.
. "$(dirname "$0")/common.sh"
need "${CC:-cc}" gcc
need "${CXX:-g++}" g++
${CC:-cc} -shared -fPIC -O1 -o libcuda.so.1 "$root"/tests/cuda/driver/*.c -pthread

# A chain stays on one stream.
"$onnxcc" "$(model_of digits)" --device=cuda --emit=plan -q -o digits.plan
! grep -E '^ *(fork|join|stream|wait|event) ' digits.plan

# run MODEL SETTING...: its sets, again and again, so that runs are replayed
run() {
    name=$1
    shift
    env LD_LIBRARY_PATH=. FAKE_CUDA_KERNELS=./$name.so "$@" "./$name.gpu" --check "sets/$name" > run.log 2>&1
}

rm -rf sets
for model in branches attentions gates towers; do
    file=$root/tests/run/models/$model.onnx
    "$onnxcc" "$file" --device=cuda --verify-each --torture --emit=plan -q -o $model.plan
    grep -q '^ *stream [1-3] .*device kernel' $model.plan
    "$onnxcc" "$file" --device=cuda --verify-each --torture --emit=loops -q -o $model.loops
    grep -q '^ *stream wait ' $model.loops
    if ! "$onnxcc" "$file" --device=cuda --gpu-arch=sm_80 -q -o $model.gpu 2> gpu.log; then
        cat gpu.log
        grep -q 'NVRTC .* was not found' gpu.log && echo "skipped: no CUDA toolkit" && exit 77
        exit 1
    fi
    "$onnxcc" "$file" --emit=cuda --gpu-arch=sm_80 -q -o $model.gpu.cu
    ${CXX:-g++} -std=gnu++17 -O1 -shared -fPIC -ffp-contract=off -x c++ \
        -include "$root/runtime/emu/cuda_emu.h" $model.gpu.cu -o $model.so
    mkdir -p sets/$model
    for i in 0 1 2 3 4 5 6 7; do
        cp -r "$root/tests/run/models/$model/test_data_set_$((i / 3 % 2))" sets/$model/test_data_set_$i
    done
    for seed in 0 1 2 3 4 5; do
        for graphs in 0 1; do
            run $model FAKE_CUDA_SEED=$seed ONNXCC_CUDA_GRAPHS=$graphs FAKE_CUDA_SAY=1 || {
                echo "FAIL: $model, seed $seed, graphs $graphs"
                cat run.log
                exit 1
            }
        done
        # the host looks at the condition of a branch: that is not replayed
        [ $model = towers ] || grep -q 'a graph of' run.log
    done
    # Does a missing event show? At most one of ten does not, whatever the order.
    missed=0 all=0 waits=$(grep -c 'stream wait' $model.loops)
    [ $model != towers ] || waits=$((waits / 2)) # a run takes one branch
    for event in $(seq 1 $waits); do
        all=$((all + 1)) shown=0
        for seed in 0 1 2 3 4 5 6 7; do
            run $model FAKE_CUDA_SEED=$seed ONNXCC_CUDA_GRAPHS=0 FAKE_CUDA_FORGET=$event || { shown=1 && break; }
        done
        [ $shown = 1 ] || missed=$((missed + 1))
    done
    echo "$model: $missed of $all missing events did not show"
    [ $((10 * missed)) -le $all ]
    # one stream has none to miss
    run $model ONNXCC_CUDA_STREAMS=0 FAKE_CUDA_FORGET=1
    run $model ONNXCC_CUDA_SYNC=1 FAKE_CUDA_FORGET=1
done
