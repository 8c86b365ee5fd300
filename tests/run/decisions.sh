# Schedules as text: written, read back, edited, refused.
. "$(dirname "$0")/lib.sh"
make() { "$onnxcc" "$digits" --entry=digits -mcpu=x86-64-v3 "$@"; }

# ---- what was written changes nothing ----
expect 0 make --dump-decisions=how --emit=staticlib -o libdigits.a
cp libdigits.a first.a
expect 0 make --decisions=how --dump-decisions=again --emit=staticlib -o libdigits.a
silent
same first.a libdigits.a
same how again
expect 0 make -O0 --decisions=how --emit=kernels # other kernels: nothing fits
says "warning" "is not used"

# ---- another tile ----
grep -q "split v1 by 13 -> m.0 m.1 mask" how || fail "the tile that this test changes is not there"
sed 's/split v1 by 13 -> m.0/split v1 by 5 -> m.0/' how >five
expect 0 make --decisions=five --emit=kernels
silent
says "split m by 5 -> m.0 m.1 mask"
expect 0 make --emit=kernels
says "split m by 13 -> m.0 m.1 mask"
if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
    expect 0 make --decisions=five -o five.exe
    expect 0 make -o plain.exe
    expect 0 ./five.exe --check "$root/demo/digits"
    for n in 1 4 5 6 13 31; do
        expect 0 ./plain.exe --dim N=$n --output logits=plain.bin
        expect 0 ./five.exe --dim N=$n --output logits=five.bin
        same plain.bin five.bin
    done
fi

# One entry is enough; the others stay as they are.
hash=$(grep -o '^kernel [0-9a-f]*' five | tail -n 1)
sed -n "/^$hash/,/^}/p" five >part
expect 0 make --decisions=part --emit=kernels
silent
says "split m by 5 -> m.0 m.1 mask" "split n_h_w by 9"

# ---- what does not compute the kernel ----
# wrong TEXT SED: the last entry, changed.
wrong() {
    sed "$2" part >edited
    cmp -s part edited && fail "$2 changes nothing"
    refuses edited: "$1" -- make --decisions=edited -o x
}
wrong "threads cannot share the sum along k.0" 's/for k.0 {/for k.0 thread {/'
wrong "the loop over k.0 would repeat the statement" 's/do %t1$/do %x/; s/do %t4$/do %t1/; s/do %x$/do %t4/'
wrong "stands in itself" 's/for k.1 unroll {/for k.0 {/'
wrong "7 does not divide the extent of v3" 's/split v3 by 4/split v3 by 7/'
wrong "13 does not divide the extent of v1" 's/by 13 -> m.0 m.1 mask/by 13 -> m.0 m.1 exact/; s/by 5 -> m.0 m.1 mask/by 13 -> m.0 m.1 exact/'
wrong "unrolled, but its extent is not known" 's/for m.0 thread {/for m.0 unroll {/'
wrong "has no condition" 's/how "x86-64-v3" {/how "x86-64-v3" when s1 < 9 {/'
wrong "expected a variable of this kernel" 's/split v1 by/split w1 by/'
wrong "expected exact, mask, peel or guard" 's/ mask$/ sometimes/'
sed 's/^kernel .* {  #/kernel 0123456789abcdef {  #/' part >other
expect 0 make --decisions=other --emit=kernels -o kernels
says "other:1:1: warning: no kernel is 0123456789abcdef"
head -n 3 part | grep -v '#' >cut
printf 'kernel nonsense {\n}\n' >nonsense
refuses "nonsense:1" "hash" -- make --decisions=nonsense -o x
head -c 300 how | grep -v '^ ' >half
refuses "half:" -- make --decisions=half -o x
refuses "nofile" -- make --decisions=nofile -o x
refuses "nowhere/x" -- make --dump-decisions=nowhere/x -o x
absent x
finish
