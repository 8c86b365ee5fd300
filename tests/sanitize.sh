#!/bin/sh
# sanitize.sh CMAKE SOURCE BUILD: builds compiler and some test programs with sanitizers in BUILD/asan
# and runs them: units, texts of all levels, malformed models, every operator of tests/operators, and
# compiles of whole models. Leaks count. Exit code 77: the compiler has no sanitizers.
set -eu
cmake=$1
source=$2
build=$3/asan
echo 'int main(void) { return 0; }' > "$3/sanitize.c"
if ! ${CC:-cc} -fsanitize=address,undefined "$3/sanitize.c" -o "$3/sanitize.exe" 2> "$3/sanitize.log"; then
    echo "skipped: ${CC:-cc} cannot link with -fsanitize=address,undefined (gcc: libasan, libubsan)"
    exit 77
fi
[ ! -d "$3/venv" ] || { mkdir -p "$build" && ln -sfn ../venv "$build/venv"; }
generator="-G Ninja"
command -v ninja > /dev/null || generator=
[ ! -f "$build/CMakeCache.txt" ] || generator=
"$cmake" -S "$source" -B "$build" $generator -DONNXCC_SANITIZE=address,undefined \
    -DCMAKE_C_FLAGS_RELWITHDEBINFO="-O1 -g1" > "$build.log" 2>&1 || { cat "$build.log" && exit 1; }
"$cmake" --build "$build" --parallel 2 --target onnxcc onnxcc-opt check errors unit unit_expr \
    unit_affine unit_pack unit_plan unit_regex kernel_files loops_test interp_check > "$build.log" 2>&1 ||
    { tail -n 40 "$build.log" && exit 1; }
cd "$build"
ctest --output-on-failure -j 2 -R '^(unit|unit_expr|unit_affine|unit_pack|unit_plan|unit_regex)$' 
ctest --output-on-failure -j 2 -R '^(graph_[a-z_]*|kernel_[a-z]*|kernels_[a-z_]*|loops_[a-z_]*|errors|operators_O2)$' \
    -E graph_results
for model in demo/digits.onnx tests/models/tiny_transformer.onnx tests/run/models/words.onnx \
    tests/run/models/rounds.onnx tests/run/models/narrow_flow.onnx; do
    echo "compiling $model"
    ./onnxcc -j 1 "$source/$model" -o model
    ./onnxcc "$source/$model" --emit=cuda -o model.cu
    ./onnxcc "$source/$model" --torture --verify-each --emit=loops -o model.loops
done
