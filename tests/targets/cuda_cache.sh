#!/bin/sh
# Kernels compiled by NVRTC are kept: what a second compile takes from the cache, damage, no cache;
# and the same bytes however they came about.
. "$(dirname "$0")/common.sh"
export XDG_CACHE_HOME="$PWD/cache"
rm -rf cache
model=$(model_of digits)

fail() {
    echo "FAIL: $*"
    cat log
    exit 1
}

# build OUT OPTIONS...: what -v says is in the file log
build() {
    to=$1
    shift
    "$onnxcc" "$model" --device=cuda --gpu-arch=sm_80 -v "$@" -o "$to" > log 2>&1
}

# Pieces, and how many of them came from the cache.
pieces() {
    sed -n 's/.*: \([0-9]*\) pieces* of kernels, \([0-9]*\) from the cache/\1 \2/p' log |
        awk '{ all += $1; cached += $2 } END { print all, cached }'
}

if ! build program; then
    grep -q 'NVRTC .* was not found' log && echo "skipped: no CUDA toolkit" && exit 77
    fail "digits does not compile"
fi
all=$(pieces | cut -d' ' -f1)
[ "$all" -gt 1 ] || fail "the kernels are not cut into pieces"
[ "$(pieces)" = "$all 0" ] || fail "an empty cache gave something"
grep 'registers' log > registers
[ -s registers ] || fail "-v does not tell registers"

build again
[ "$(pieces)" = "$all $all" ] || fail "the second compile runs NVRTC"
cmp program again
grep 'registers' log | cmp - registers

for entry in cache/onnxcc/*; do
    dd if=/dev/zero of="$entry" bs=1 seek=1000 count=4 conv=notrunc 2> dd.log
    break
done
build again
[ "$(pieces)" = "$all $((all - 1))" ] || fail "a damaged entry counts"
cmp program again
build again
[ "$(pieces)" = "$all $all" ] || fail "a damaged entry was not written again"

ls cache/onnxcc > kept
build again --no-cache -j 1
[ "$(pieces)" = "$all 0" ] || fail "--no-cache takes from the cache"
cmp program again
ls cache/onnxcc | cmp - kept

# several compilers at once, on a cache that is empty
rm -rf cache
for i in 1 2 3; do
    "$onnxcc" "$model" --device=cuda --gpu-arch=sm_90a -j 2 -q -o at_once$i &
done
wait
for i in 2 3; do cmp at_once1 at_once$i; done
[ -z "$(ls cache/onnxcc | grep new-)" ]

# where nothing can be kept, nothing is said
for home in /dev/null /proc/none; do
    env -u XDG_CACHE_HOME HOME=$home "$onnxcc" "$root/tests/run/models/pick.onnx" --device=cuda \
        --gpu-arch=sm_80 -q -o kept_nowhere 2> log || fail "without a cache"
    [ ! -s log ] || fail "a cache that cannot be made is reported"
done

# --emit=cubin and --emit=ptx are kept as well; a program's PTX for sm_80 comes with the cubins
for kind in cubin ptx; do
    for i in 1 2; do
        mkdir -p $i
        "$onnxcc" "$model" --emit=$kind --gpu-arch=sm_80 -v -o $i/kernels.$kind 2> log
    done
    [ "$(pieces | cut -d' ' -f1)" = "$(pieces | cut -d' ' -f2)" ] || fail "$kind is not kept"
    cmp 1/kernels.$kind 2/kernels.$kind
done
build plain
grep -q 'compute_80' log && fail "PTX for sm_80 takes a run of its own"

# what the program says of its kernels
./plain --info > info
grep -q '^gpu  *sm_80$' info
grep -q '^gpu  *compute_80$' info
grep -q 'conv_kernel  *[1-9][0-9]*  *[1-9][0-9]* ' info || fail "--info does not tell registers"
./plain --info --json > info
grep -q '"arch": "sm_80", "kernels": \[{"name": ".*_kernel", "threads": [1-9][0-9]*, "registers": [1-9]' info
grep -q '{"arch": "compute_80", "kernels": \[\]}' info
echo "$all pieces"
