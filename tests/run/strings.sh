# Strings: executables with their files, portable C, faults and refusals.
. "$(dirname "$0")/lib.sh"
data=$models/words/test_data_set_0

for level in -O0 -O2; do
    compile "$models/words.onnx" $level -o words
    expect 0 ./words --check "$models/words"
    says "check: 1 passed, 0 failed"
done
cp -r "$data" differs
cp "$data/output_2.pb" differs/output_0.pb
expect 3 ./words --check differs
says 'output "joined" str[6]' "differ"
expect 0 ./words --input words="$data/input_0.pb" --input numbers="$data/input_1.pb" --output joined=joined.pb
expect 0 ./words --input words=joined.pb --input numbers="$data/input_1.pb"
says 'joined : str[6] = "und-x-x"'

# Weights in a file, and several processors: strings of constants are pointers wherever they come to lie.
compile "$models/words.onnx" --weights=file -o elsewhere
expect 0 ./elsewhere --check "$models/words"

# ---- faults and refusals ----
refuses joined.npy .pb -- ./words --input words="$data/input_0.pb" --output joined=joined.npy
refuses 'strings and sequences are not supported' thumbv7em -- \
    "$onnxcc" "$models/words.onnx" --dim N=1 --target=thumbv7em-none-eabihf --emit=staticlib -o libwords.a
absent libwords.a words.h

# ---- from C: a library, and portable C ----
compile "$models/words.onnx" --emit=staticlib -o libwords.a
compile "$models/words.onnx" --emit=c -o words.c
for code in libwords.a words.c; do
    expect 0 $cc -std=c99 -D_DEFAULT_SOURCE -O1 -I. "$root/tests/run/strings.c" $code -pthread -o use
    expect 0 ./use
done
finish
