# Several models in one program; several versions of the code in one output.
. "$(dirname "$0")/lib.sh"

# ---- entries ----
compile "$models/left.onnx" "$models/right.onnx" --entry=one,two -o both
expect 0 ./both one --check "$models/left"
expect 0 ./both two --check "$models/right"
expect 0 ./both two --info --json
cp out two.json
[ "$(member two.json name)" = '"two"' ] || fail "the name is $(member two.json name)"
expect 0 ./both --help
says one two
refuses "entry" "one" "two" -- ./both
refuses "one" "two" -- ./both three
refuses "one" "two" -- ./both --info

# Equal constants are stored once: both models hold the same matrix of 36,864 bytes.
compile "$models/left.onnx" -o left
compile "$models/left.onnx" "$models/right.onnx" --emit=staticlib -o libboth.a
grep -q left_run both.h && grep -q right_run both.h || fail "the header lacks an entry"
[ $(($(size both) - $(size left))) -lt 36000 ] || fail "$(size left) bytes alone, $(size both) together"

# The same model twice, once with another name.
compile "$digits" "$models/pick.onnx" --entry=numbers,table -o mixed
expect 0 ./mixed numbers --check "$root/demo/digits"
expect 0 ./mixed table --check "$models/pick"
refuses "left" "--entry" -- "$onnxcc" "$models/left.onnx" "$models/left.onnx" -o twice
absent twice

# ---- processors ----
[ "$(uname -m)" = x86_64 ] || finish
level=x86-64
"$helper" cpu sse4_2 && level=x86-64-v2
"$helper" cpu avx2 && "$helper" cpu fma && "$helper" cpu bmi2 && level=x86-64-v3
"$helper" cpu avx512vl && "$helper" cpu avx512bw && level=x86-64-v4
compile "$digits" -mcpu=x86-64-v3,x86-64,x86-64-v4 -o list
expect 0 ./list --info --json
cp out list.json
[ "$(member list.json cpus)" = '["x86-64-v4", "x86-64-v3", "x86-64"]' ] || fail "versions: $(member list.json cpus)"
expect 0 ./list --check "$root/demo/digits"
compile "$digits" -mcpu=x86-64-v3,x86-64-v4,sapphirerapids -o named
expect 0 ./named --info --json
cp out named.json
[ "$(member named.json cpus)" = '["sapphirerapids", "x86-64-v4", "x86-64-v3"]' ] || fail "versions: $(member named.json cpus)"
expect 0 ./named --check "$root/demo/digits"

# What this CPU lacks is said, not found out by SIGILL.
for pair in x86-64-v4:avx512vl:avx512f sapphirerapids:amx_tile:amx-tile znver5:sse4a:sse4a; do
    cpu=${pair%%:*} feature=${pair##*:} flag=${pair#*:}
    compile "$digits" -mcpu="$cpu" -o alone
    if "$helper" cpu "${flag%%:*}"; then
        [ "$cpu" = znver5 ] || expect 0 ./alone --check "$root/demo/digits"
    else
        refuses "$cpu" "$feature" -- ./alone --check "$root/demo/digits"
        refuses "$cpu" "$feature" -- ./alone --bench
    fi
done

# The same bits where the same version runs: alone, and picked from a list.
compile "$digits" -mcpu=$level -o single
expect 0 ./single --dim N=7 --output logits=a.npy
expect 0 ./list --dim N=7 --output logits=b.npy
[ $level = x86-64-v2 ] || same a.npy b.npy
finish
