#!/bin/sh
# Libraries of --device=cuda in a C program (tests/cuda/library.c), against a driver that executes their
# kernels on this machine (tests/cuda/driver).
. "$(dirname "$0")/common.sh"
need "${CC:-cc}" gcc
need "${CXX:-g++}" g++
cc=${CC:-cc}
kernels=
rm -rf a o so
mkdir a o so driver 2> /dev/null || true
$cc -shared -fPIC -O1 -o driver/libcuda.so.1 "$root"/tests/cuda/driver/*.c -pthread

"$onnxcc" "$(model_of digits)" -q -o program
./program --input images="$root/demo/digits/images.npy" --output logits=logits.bin 2> run.log > run.log

for name in digits nonzero pick branches; do
    file=$root/tests/run/models/$name.onnx
    [ $name != digits ] || file=$(model_of digits)
    for out in staticlib:a/lib:.a obj:o/:.o sharedlib:so/lib:.so; do
        kind=${out%%:*} end=${out##*:} start=${out#*:}
        start=${start%:*}
        if ! "$onnxcc" "$file" --device=cuda --gpu-arch=sm_80 -q --emit=$kind -o "$start$name$end" 2> gpu.log; then
            cat gpu.log
            test ! -e "$start$name$end"
            grep -q 'NVRTC .* was not found' gpu.log && echo "skipped: no CUDA toolkit" && exit 77
            exit 1
        fi
    done
    only_defines a/lib$name.a $name
    only_defines o/$name.o $name
    nm -D --defined-only so/lib$name.so | awk '{ print $3 }' | LC_ALL=C sort > defined
    for f in arena_bytes close device_arena_bytes explain open open_signed pool_free pool_new run run_device status; do
        echo ${name}_$f
    done | diff - defined
    "$onnxcc" "$file" --emit=cuda --gpu-arch=sm_80 -q -o $name.cu
    ${CXX:-g++} -std=gnu++17 -O1 -shared -fPIC -ffp-contract=off -x c++ \
        -include "$root/runtime/emu/cuda_emu.h" $name.cu -o $name.kernels.so
    kernels=$kernels:./$name.kernels.so
    printf '#include "%s.h"\n#include "%s.h"\nint x;\n' $name $name > twice.c
    $cc -std=c99 -Wall -Wextra -pedantic -Wshadow -Wstrict-prototypes -Wundef -Werror -Ia -c twice.c -o twice.o
    ${CXX:-g++} -x c++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only a/$name.h
done

# use DIR FILE...: the program, built against what lies in DIR
use() {
    dir=$1
    shift
    $cc -std=c11 -D_DEFAULT_SOURCE -O1 -g -Wall -Wextra -pedantic -Werror -I"$dir" "$root/tests/cuda/library.c" \
        "$@" -ldl -lm -pthread -o "$dir/library"
    for seed in 0 1; do
        env LD_LIBRARY_PATH=driver FAKE_CUDA_KERNELS="${kernels#:}" FAKE_CUDA_SEED=$seed ONNXCC_EMU_SEED=$seed \
            "$dir/library" "$root/demo/digits/images.npy" logits.bin 2> "$dir/log" || {
            cat "$dir/log"
            exit 1
        }
    done
    ldconfig -p 2> /dev/null | grep -q libcuda.so.1 || "$dir/library" missing
}
use a a/libdigits.a a/libnonzero.a a/libpick.a a/libbranches.a
use o o/digits.o o/nonzero.o o/pick.o o/branches.o
use so so/libdigits.so so/libnonzero.so so/libpick.so so/libbranches.so -Wl,-rpath,"$PWD/so"

# sizes that the data decides, on the caller's stream
"$onnxcc" "$root/tests/run/models/found.onnx" --device=cuda --gpu-arch=sm_80 -q --emit=staticlib -o libfound.a
"$onnxcc" "$root/tests/run/models/found.onnx" --emit=cuda --gpu-arch=sm_80 -q -o found.cu
${CXX:-g++} -std=gnu++17 -O1 -shared -fPIC -ffp-contract=off -x c++ \
    -include "$root/runtime/emu/cuda_emu.h" found.cu -o found.kernels.so
$cc -std=c11 -D_DEFAULT_SOURCE -O1 -g -Wall -Wextra -pedantic -Werror -I. "$root/tests/cuda/library_sizes.c" \
    libfound.a -ldl -lm -pthread -o library_sizes
for seed in 0 1 2; do
    env LD_LIBRARY_PATH=driver FAKE_CUDA_KERNELS=./found.kernels.so FAKE_CUDA_SEED=$seed ONNXCC_EMU_SEED=$seed \
        ./library_sizes "$root/tests/run/models/found"
done

# two models in one library; weights in a file
"$onnxcc" "$(model_of digits)" "$root/tests/run/models/pick.onnx" --device=cuda --gpu-arch=sm_80 -q --entry=one,two \
    --emit=staticlib -o libboth.a
nm --defined-only --extern-only libboth.a | awk 'NF == 3 { print $3 }' | grep -v -e '^one_' -e '^two_' && exit 1
"$onnxcc" "$(model_of digits)" --device=cuda --gpu-arch=sm_80 -q --emit=sharedlib --weights=file -o libfile.so
test -s libfile.so.weights
for kind in asm:'of kernels for GPUs --emit=ptx' staticlib:'needs a hosted target'; do
    target=
    [ "${kind%%:*}" = asm ] || target=--target=thumbv7em-none-eabihf
    "$onnxcc" "$(model_of digits)" --device=cuda $target --emit="${kind%%:*}" -o refused 2> refused.log && exit 1
    grep -q -e "${kind#*:}" refused.log
    test ! -e refused
done
"$onnxcc" "$(model_of digits)" --device=cuda-emu -c -o refused 2> refused.log && exit 1
grep -q 'makes executables only' refused.log
