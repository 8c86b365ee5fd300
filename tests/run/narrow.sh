# float8, float4, integers below 8 bits (packed) and complex numbers: files in and out, the library, portable C, CUDA's text.
. "$(dirname "$0")/lib.sh"
data=$models/narrow

for level in -O0 -O2; do
    compile "$models/narrow.onnx" $level -o narrow
    expect 0 ./narrow --check "$data"
    says "2 passed, 0 failed"
    compile "$models/complex.onnx" $level -o complex
    expect 0 ./complex --check "$models/complex"
    says "2 passed, 0 failed" "c128[2,2]: ok"
    compile "$models/narrow_flow.onnx" $level -o flow
    expect 0 ./flow --check "$models/narrow_flow"
    says "2 passed, 0 failed"
done
if command -v "${CXX:-g++}" >/dev/null; then
    compile "$models/narrow.onnx" --device=cuda-emu -o emu
    expect 0 ./emu --check "$data"
    compile "$models/complex.onnx" --device=cuda-emu -o emu
    expect 0 ./emu --check "$models/complex"
fi
expect 0 ./narrow --info
says 'i4[N,3]' 'f8e5m2[N,3]' 'u2[5]' 'f8e8m0[N,3]'
expect 0 ./narrow --dim N=5 --bench --runs 2 # made-up inputs

# ---- every kind of file there and back ----
first=$data/test_data_set_0
given="--input e=$first/input_1.pb --input x=$first/input_2.pb --input t=$first/input_3.pb"
expect 0 ./narrow --input q="$first/input_0.pb" $given --output turned=turned.npy --output turned=turned.bin \
    --output f8=f8.npy --output f4=f4.npy --output wider=wider.npy --output wider=wider.pb
[ "$(size turned.bin)" -eq 5 ] || fail "9 elements of 4 bits are $(size turned.bin) bytes"
[ "$(tail -c 9 turned.npy | od -An -t d1 | tr -s ' \n' ' ')" = " -8 -5 -2 -7 -4 -1 -6 -3 0 " ] || fail turned.npy
[ "$(tail -c 8 wider.npy | od -An -t u1 | tr -s ' \n' ' ')" = " 0 3 0 2 1 3 0 0 " ] || fail wider.npy
grep -q "'|i1'" turned.npy && grep -q "'|V1'" f8.npy && grep -q "'|u1'" wider.npy || fail "types of .npy files"
# Transposed twice is what it was: the first output is the next input.
expect 0 ./narrow --input q=turned.npy $given --output turned=again.bin
expect 0 ./narrow --input q=turned.bin --dim N=3 $given --output turned=again2.bin
same again.bin again2.bin
tail -c 5 "$first/input_0.pb" >raw.bin
same again.bin raw.bin
head -c 3 turned.bin >short.bin
refuses 'input "q"' "3 bytes" "i4[3,3]" -- ./narrow --input q=short.bin $given
refuses "another type" "f8e5m2" -- ./narrow --input q="$first/input_1.pb" $given

expect 0 ./complex --dim N=2 --output some=some.npy --output some=some.bin
grep -q "'<c8'" some.npy || fail "type of some.npy"
[ "$(size some.bin)" -eq 32 ] || fail "4 complex numbers are $(size some.bin) bytes"

# ---- called from C ----
compile "$models/complex.onnx" --emit=staticlib -o libcomplex.a
grep -q 'const float (\*x)\[2\];' complex.h || fail "complex.h on x"
compile "$models/narrow.onnx" --emit=staticlib -o libnarrow.a
grep -q 'const uint8_t \*q; .*i4\[N,3\], two in a byte, low bits first' narrow.h || fail "narrow.h on q"
expect 0 $cc -std=c11 -Wall -Wextra -Werror -I. "$root/tests/run/narrow.c" libnarrow.a -pthread -o called
expect 0 ./called
for level in -O0 -O2; do
    compile "$models/narrow.onnx" $level --emit=c -o narrow.c
    expect 0 $cc -std=c99 -Wall -Werror -O1 -c narrow.c -o narrow.o
    expect 0 $cc -std=c11 -Wall -Wextra -Werror -I. "$root/tests/run/narrow.c" narrow.o -o printed
    expect 0 ./printed
done
finish
