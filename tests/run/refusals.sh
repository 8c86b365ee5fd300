# Files, dimensions and data that do not fit the model: a sentence that names the input and the axis.
. "$(dirname "$0")/lib.sh"
npy() { "$helper" npy "$@"; }

compile "$models/pair.onnx" --dim N=1..8 -o pair
npy "<f4" "(2, 3)" 1 2 3 4 5 6 >a.npy
npy "<f4" "(4, 1)" 1 2 3 4 >b.npy
npy "<f4" "(3, 1)" 1 2 3 >good.npy
npy "<f8" "(3, 1)" 1 2 3 >double.npy
npy "<f4" "(3,)" 1 2 3 >flat.npy
npy "<f4" "(9, 1)" 1 2 3 4 5 6 7 8 9 >nine.npy
npy "<f4" "(0, 3)" >none.npy
head -c 130 good.npy >short.npy
printf 'no array' >text.npy
head -c 13 a.npy | tail -c 7 >odd.bin

expect 0 ./pair --input a=a.npy --input b=good.npy --output y=y.npy
refuses 'input "b" axis 0' 4 '"K"' 3 'input "a" axis 1' -- ./pair --input a=a.npy --input b=b.npy
refuses 'input "b"' "f32[K,M]" "f64[3,1]" -- ./pair --input b=double.npy
refuses 'input "b"' "f32[K,M]" "f32[3]" -- ./pair --input b=flat.npy
refuses 'input "a" axis 0 is 9' '"N"' 1..8 -- ./pair --input a=nine.npy
refuses 'input "a" axis 0 is 0' '"N"' 1..8 -- ./pair --input a=none.npy
refuses 'N' 9 1..8 -- ./pair --dim N=9
refuses 'input "a" axis 1' '"K"' 7 --dim -- ./pair --dim K=7 --input a=a.npy
refuses short.npy -- ./pair --input a=short.npy
refuses text.npy -- ./pair --input a=text.npy
refuses missing.npy -- ./pair --input a=missing.npy
refuses odd.bin 'input "a"' -- ./pair --input a=odd.bin --dim N=2 --dim K=3
refuses . -- ./pair --input a=.
cp good.npy good.jpg
refuses good.jpg -- ./pair --input b=good.jpg
printf '\010' >broken.pb
refuses broken.pb -- ./pair --input a=broken.pb
expect 0 ./pair --input b=good.npy --output y=y.pb


# ---- a fixed axis ----
compile "$models/pick.onnx" -o pick
npy "<f4" "(5,)" 1 2 3 4 5 >five.npy
refuses 'input "shift" axis 0' 5 4 -- ./pick --input shift=five.npy

# ---- indices outside of what they point into ----
npy "<i8" "(3,)" 9 -10 0 >in.npy
npy "<i8" "(3,)" 9 10 0 >above.npy
npy "<i8" "(1,)" -11 >below.npy
npy "<i8" "(2,)" 0 9223372036854775807 >far.npy
expect 0 ./pick --input ids=in.npy
refuses "Gather_of_rows" Gather -- ./pick --input ids=above.npy --output y=left.npy
absent left.npy
refuses "Gather_of_rows" Gather -- ./pick --input ids=below.npy
refuses "Gather_of_rows" Gather -- ./pick --input ids=far.npy
expect 0 ./pick --dim N=1000 # made-up indices lie within
compile "$models/pick.onnx" -O0 -o plain
refuses "Gather_of_rows" Gather -- ./plain --input ids=above.npy

# ---- dimensions that do not meet ----
for options in -O0 -O2; do
    compile "$models/meet.onnx" $options -o meet
    expect 0 ./meet --check "$models/meet"
    refuses 'input "x" axis 0' 'input "y" axis 0' Add_of_s "must be equal, or one of them 1" -- ./meet --dim N=3 --dim M=4
    expect 0 ./meet --dim N=3 --dim M=3
    expect 0 ./meet --dim N=3 --dim M=1
    expect 0 ./meet --dim N=1 --dim M=4
done
expect 0 "$onnxcc" "$models/meet.onnx" --dim N=4 --dim M=4 --emit=plan
grep -q require out && fail "what is known is checked at run time"

# ---- more than there is ----
compile "$models/top.onnx" -o top
expect 0 ./top --check "$models/top"
npy "<i8" "(1,)" 20 >twenty.npy
refuses "TopK_of_y" TopK -- ./top --dim N=5 --input k=twenty.npy

# ---- the compiler's own command line ----
refuses "missing.onnx" "No such file" -- "$onnxcc" missing.onnx -o x
refuses "--nonsense" -- "$onnxcc" "$digits" --nonsense -o x
refuses "--emit" '"exec"' -- "$onnxcc" "$digits" --emit=exec -o x
refuses "--dim" -- "$onnxcc" "$digits" --dim N -o x
refuses "M" -- "$onnxcc" "$digits" --dim M=3 -o x
refuses cortex-foo "cortex-m4" -- "$onnxcc" "$digits" --target=thumbv7em-none-eabihf --emit=obj \
    -mcpu=cortex-foo -o x
refuses cortex-m4 neoverse-n1 -- "$onnxcc" "$digits" --target=aarch64-linux-gnu --emit=obj \
    -mcpu=cortex-m4 -o x
refuses "x86-64-v9" -- "$onnxcc" "$digits" -mcpu=x86-64-v9 -o x
refuses "abacus-none" -- "$onnxcc" "$digits" --target=abacus-none -o x
refuses "2 entries" -- "$onnxcc" "$digits" --entry=a,b -o x
refuses "nowhere/x" -- "$onnxcc" "$digits" -o nowhere/x
refuses "no model" -- "$onnxcc" -o x
absent x nowhere
expect 0 "$onnxcc" --version
expect 0 "$onnxcc" --help
[ "$(wc -l <out)" -le 60 ] || fail "--help takes $(wc -l <out) lines"
expect 0 "$onnxcc" --help-all
finish
