# Loops whose carried values change size, and that collect what the body decides: sizes of the run
# throughout, no rounds at all among the data.
. "$(dirname "$0")/lib.sh"

set --
names=
for file in "$models"/loop_*.onnx; do
    set -- "$@" "$file"
    names=$names${names:+,}$(basename "$file" .onnx)
done
[ $# -eq 6 ] || fail "$# models"
for level in -O0 -O2; do
    for file; do
        compile $level "$file" -o loop
        expect 0 ./loop --check "${file%.onnx}" --rtol 1e-5 --atol 1e-6
    done
done

# ---- all in one program, in one arena ----
compile "$@" --entry="$names" -o loops
for file; do
    expect 0 ./loops "$(basename "$file" .onnx)" --check "${file%.onnx}" --rtol 1e-5 --atol 1e-6
done

# ---- as a library: an arena that is too small is no more than a question ----
compile "$models/loop_append.onnx" --emit=staticlib -o libgrowing.a
expect 0 $cc -std=c11 -Wall -Wextra -pedantic -Werror -I. "$root/tests/run/growing.c" libgrowing.a -pthread -o growing
expect 0 ./growing
finish
