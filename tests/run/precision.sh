# --precision: how far results may be from those of f32, weights of half the size, and what is refused.
. "$(dirname "$0")/lib.sh"
transformer=$root/tests/models/tiny_transformer

# close NAME MODEL DATA F16 BF16: absolute and relative bounds
close() {
    for level in -O0 -O2; do
        for type in f32=1e-5 f16=$4 bf16=$5; do
            compile "$2" $level --precision=${type%=*} -o "$1.${type%=*}"
            expect 0 "./$1.${type%=*}" --rtol ${type#*=} --atol ${type#*=} --check "$3"
        done
    done
    expect 0 ./$1.f32 --info --json
    whole=$(member out weights_bytes)
    for type in f16 bf16; do
        expect 0 ./$1.$type --info --json
        half=$(member out weights_bytes)
        [ $half -le $((whole * 51 / 100 + 512)) ] || fail "$1: $half bytes of weights in $type, $whole in f32"
    done
}
close digits "$digits" "$root/demo/digits" 5e-3 5e-2
close residual "$models/residual.onnx" "$models/residual" 2e-3 2e-2
close patches "$models/patches.onnx" "$models/patches" 8e-3 8e-2
[ ! -e $transformer.onnx ] || close transformer $transformer.onnx $transformer 8e-3 6e-2

# what is not a sum of products, or decides something, is as it was
for name in nonzero types rounds top; do
    for type in f32 f16 bf16; do
        compile "$models/$name.onnx" --precision=$type -o any
        tolerance=1e-2
        [ $type = f32 ] && tolerance=1e-6
        expect 0 ./any --rtol $tolerance --atol $tolerance --check "$models/$name"
    done
done

# the CUDA text has the same types
expect 0 "$onnxcc" -q "$models/residual.onnx" --device=cuda --precision=bf16 --emit=cuda -o bf16.cu
grep -q "const uint16_t \*.*bf16\[16,16,3,3\]" bf16.cu || fail "no bf16 weights in the CUDA text"

refuses '"f8" is not one of f32, f16, bf16' -- "$onnxcc" "$digits" --precision=f8 -o bad
refuses '"" is not one of f32, f16, bf16' -- "$onnxcc" "$digits" --precision= -o bad
absent bad

finish
