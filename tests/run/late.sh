# Axes, steps, fill values and scales that only the run knows: right, and checked.
. "$(dirname "$0")/lib.sh"

for level in -O0 -O2; do
    compile $level "$models/late.onnx" -o late
    expect 0 ./late --check "$models/late"
done

# run AXES STEP: the first data set with other axes and steps.
set=$models/late/test_data_set_0
run() {
    ./late --input x="$set/input_0.pb" --input axes="$1" --input from="$set/input_2.pb" \
        --input to="$set/input_3.pb" --input step="$2" --input fill="$set/input_5.pb" \
        --input scales="$set/input_6.pb" --output sum=sum.npy
}
zeros='\000\000\000\000\000\000\000'
printf "\\001$zeros\\007$zeros" >axes.bin
printf "\\001$zeros\\000$zeros" >step.bin
expect 0 run "$set/input_1.pb" "$set/input_4.pb"
refuses "ReduceSum" "out of its range" -- run axes.bin "$set/input_4.pb"
refuses "Slice" "out of its range" -- run "$set/input_1.pb" step.bin

for level in -O0 -O2; do
    compile $level "$models/squeezed.onnx" -o squeezed
    expect 0 ./squeezed --check "$models/squeezed"
done
set=$models/squeezed/test_data_set_0
squeeze() {
    ./squeezed --input x="$set/input_0.pb" --input axis="$1" --input v="$2" --output y=y.npy
}
printf "\\000$zeros" >first.bin
printf '\000\000\200\077\000\000\200\077' >two.bin
expect 0 squeeze "$set/input_1.pb" "$set/input_2.pb"
refuses "Squeeze" "out of range" -- squeeze first.bin "$set/input_2.pb"
refuses "out of range" -- squeeze "$set/input_1.pb" two.bin
finish
