# Sequences and optionals: executables with their files, a library from C, faults and refusals.
. "$(dirname "$0")/lib.sh"
data=$models/ragged/test_data_set_0

for level in -O0 -O2; do
    compile "$models/ragged.onnx" $level -o ragged
    expect 0 ./ragged --check "$models/ragged"
    says "check: 3 passed, 0 failed"
    compile "$models/maybe.onnx" $level -o maybe
    expect 0 ./maybe --check "$models/maybe"
    says "check: 2 passed, 0 failed"
done
cp -r "$data" differs
cp "$data/output_5.pb" differs/output_0.pb
expect 3 ./ragged --check differs
says 'output "more" holds 4 items, but should hold 3'
expect 0 ./ragged --info
says "items : seq" "lines : seq"

# What is written can be read again; what is not given is empty, or nothing.
expect 0 ./ragged --input items="$data/input_0.pb" --input extra="$data/input_1.pb" \
    --input at="$data/input_2.pb" --output more=again.pb
expect 0 ./ragged --input items=again.pb --input extra="$data/input_1.pb" --input at="$data/input_2.pb"
says "more : seq = 5 items f32[2,4] f32[0,4] f32[3,4] f32[2,4] f32[2,4]"
expect 0 ./maybe
says "has : bool[] = 0" "again : seq = nothing"

# ---- faults and refusals ----
cp -r "$data" wrong
cp "$models/ragged/test_data_set_2/input_0.pb" wrong/input_0.pb # one item and a position of 1
refuses 'node "SequenceAt_of_picked" (SequenceAt)' 'no such item' -- ./ragged --check wrong
refuses more.npy .pb -- ./ragged --input items="$data/input_0.pb" --input extra="$data/input_1.pb" \
    --input at="$data/input_2.pb" --output more=more.npy
refuses items.npy .pb -- ./ragged --input items=items.npy
printf '\010' >broken.pb
refuses broken.pb -- ./ragged --input items=broken.pb
refuses 'strings and sequences are not supported' thumbv7em --emit=c -- \
    "$onnxcc" "$models/ragged.onnx" --dim N=1 --target=thumbv7em-none-eabihf --emit=staticlib -o libragged.a
absent libragged.a ragged.h

# ---- from C: a library, and portable C ----
compile "$models/ragged.onnx" --emit=staticlib -o libragged.a
expect 0 $cc -std=c99 -D_DEFAULT_SOURCE -Wall -Wextra -pedantic -Werror -I. "$root/tests/run/sequences.c" libragged.a -pthread -o use
expect 0 ./use
compile "$models/ragged.onnx" --emit=c -o ragged_text.c

expect 0 $cc -std=c99 -O1 -c ragged_text.c -o ragged_text.o
finish
