# One program for all sizes computes what programs for one size compute. Inputs are made up: equal seeds
# and shapes give equal inputs, so the one checks what the other wrote.
. "$(dirname "$0")/lib.sh"

# agree MODEL OUTPUT "DIM=N DIM=N"...
agree() {
    model=$1 output=$2
    shift 2
    compile "$model" -o dynamic
    for dims; do
        set --
        for d in $dims; do set -- "$@" --dim $d; done
        rm -rf set
        mkdir set
        expect 0 ./dynamic "$@" --seed 11 --output $output=set/output_0.pb
        compile "$model" "$@" -o static
        expect 0 ./static --seed 11 --check set --rtol 1e-6 --atol 1e-6
        expect 0 ./static --info --json
        cp out info.json
        [ "$(member info.json dims)" = "[]" ] || fail "dims are left: $(member info.json dims)"
    done
}

agree "$digits" logits N=1 N=3 N=17 N=64
agree "$models/pair.onnx" y "N=1 K=1 M=1" "N=2 K=9 M=16" "N=13 K=1 M=33" "N=5 K=40 M=7"
agree "$models/conv.onnx" y "N=1 H=1 W=1" "N=1 H=2 W=17" "N=2 H=33 W=16" "N=3 H=7 W=8"
if [ -e "$root/tests/models/tiny_transformer.onnx" ]; then
    agree "$root/tests/models/tiny_transformer.onnx" logits "batch=1 length=1" "batch=2 length=7" "batch=3 length=16"
fi

# No rows at all.
compile "$models/pair.onnx" -o pair
expect 0 ./pair --dim N=0 --dim K=3 --dim M=2 --output y=y.npy --output s=s.bin
[ "$(size s.bin)" -eq 0 ] || fail "s.bin has $(size s.bin) bytes"
expect 0 ./pair --dim N=2 --dim K=0 --dim M=2 --output s=s.bin
[ "$(size s.bin)" -eq 8 ] || fail "s.bin has $(size s.bin) bytes"

# Bounds hold at run time; half a range is one, too.
compile "$digits" --dim N=2..5 -o bounded
expect 0 ./bounded --dim N=5
expect 0 ./bounded --info --json
cp out info.json
member info.json dims >dims
grep -q '"lo": 2, "hi": 5' dims || fail "bounds: $(cat dims)"
refuses N 2..5 -- ./bounded --dim N=6
refuses N 2..5 -- ./bounded --dim N=1
compile "$digits" --dim images.0=3 -o three
expect 0 ./three --info
says "f32[3,1,8,8]"

# Sizes that the data decides, in files.
compile "$models/nonzero.onnx" -o nonzero
expect 0 ./nonzero --check "$models/nonzero"
"$helper" npy "<f4" "(2, 3)" 0 5 0 6 0 7 >x.npy
"$helper" npy "<f4" "(3,)" 5 6 7 >what.npy
"$helper" npy "<i8" "(2, 3)" 0 1 1 1 0 2 >where.npy
expect 0 ./nonzero --input x=x.npy --output what=got.npy --output where=got2.npy
tail -c 12 got.npy >a
tail -c 12 what.npy >b
same a b
tail -c 48 got2.npy >a
tail -c 48 where.npy >b
same a b
grep -aq "(2, 3)" got2.npy || fail "the shape of where"

# A loop gives back what its rounds have placed: 3000 times 160 KB do not add up.
compile "$models/rounds.onnx" -o rounds
expect 0 ./rounds --check "$models/rounds"
"$helper" npy "<i8" "()" 3000 >n.npy
expect 0 ./rounds --dim N=20000 --input n=n.npy --bench --runs 1 --json
cp out bench.json
[ "$(member bench.json peak_rss_bytes)" -lt 64000000 ] || fail "rounds takes $(cat bench.json)"
finish
