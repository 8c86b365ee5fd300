# The models of tests/operators as compiled programs, all in one; and the seed of random operators.
. "$(dirname "$0")/lib.sh"

all=$root/tests/operators/models
set --
for dir in "$all"/*; do set -- "$@" "$dir/model.onnx"; done
names=$(for dir in "$all"/*; do basename "$dir"; done)
entries=$(echo "$names" | tr '\n' ',' | sed 's/,$//')
compile "$@" --entry="$entries" -o operators
for name in $names; do
    expect 0 ./operators "$name" --rtol 1e-3 --atol 1e-5 --check "$all/$name"
done

# ---- the same seed gives the same, on any number of threads; another seed gives something else ----
compile "$all/random_normal/model.onnx" --keep=y -o random
expect 0 ./random --seed 1 --threads 1 --output y=a.npy
expect 0 ./random --seed 1 --threads 2 --output y=b.npy
expect 0 ./random --seed 2 --output y=c.npy
same a.npy b.npy
cmp -s a.npy c.npy && fail "seeds 1 and 2 give the same"

# ---- sizes that only the run knows are checked when it gets them ----
sizes() {
    ./operators linear_rule_sizes --dim B=1 --dim T=2 --dim Q=12 --dim K=6 --dim V=8 "$@"
}
for d in 2 6; do for r in 1 2; do expect 0 sizes --dim D=$d --dim R=$r; done; done
refuses "the decay must have one element per head, or one per key element" -- \
    sizes --dim D=3 --dim R=1
refuses "the update rate must have one element per head, or one" -- sizes --dim D=6 --dim R=3

# ---- sizes of inputs that must agree ----
refuses "sizes of input and target differ" -- ./operators loss_sizes --dim N=2 --dim M=3
refuses "the indices exceed the data beside the axis" -- ./operators gather_sizes --dim N=2 --dim M=3
refuses "batch sizes of data and indices differ" -- ./operators gather_nd_sizes --dim N=2 --dim M=3
refuses "data and grid differ in batch size" -- ./operators grid_sizes --dim N=2 --dim M=3
refuses "numbers of regions and of batch indices differ" -- ./operators roi_sizes --dim N=2 --dim M=3
refuses "the number of key heads does not divide that of query heads" -- \
    ./operators head_sizes --dim N=5 --dim M=2
refuses "rows of the caches are shorter than half of what is turned" -- \
    ./operators rotary_sizes --dim N=4 --dim M=3
refuses "sizes of indices and updates do not fit" -- ./operators scatter_sizes --dim N=4 --dim M=2

# ---- sizes that follow from the data ----
# sizes_of M S N: files of what is found, of a shape, and of the number of rounds.
sizes_of() {
    data=$all/sizes_of_data/test_data_set_0
    ./operators sizes_of_data --input "m=${1:-$data/input_0.pb}" --input "s=${2:-$data/input_1.pb}" \
        --input "n=${3:-$data/input_2.pb}" --input "go=$data/input_3.pb" --input "x=$data/input_4.pb"
}
expect 0 sizes_of '' '' ''
printf '\1\1\1\1\0\0\0\0' >found.bin
refuses "(MatMul): sizes m_count and 3 must be equal" -- sizes_of found.bin '' ''
printf '\2\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0' >spread.bin
refuses "(Expand): a value of s is not what is needed" -- sizes_of '' spread.bin ''
printf '\3\0\0\0\0\0\0\0' >rounds.bin
refuses "(Loop): axis 0 of all is not what is needed" -- sizes_of '' '' rounds.bin

# ---- a shape that only the run knows must hold as many elements as there are ----
printf '\3\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0' >shape.bin
refuses "\"Reshape_0\" (Reshape): sizes N and select_1_0*select_1_1 must be equal" -- \
    ./operators reshape_run --dim N=6 --input s=shape.bin

finish
