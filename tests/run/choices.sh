# What must not change the result: optimisation, where weights are, workers, and looking on.
. "$(dirname "$0")/lib.sh"
transformer=$root/tests/models/tiny_transformer

# ---- levels ----
set -- "$digits"
names=digits
for name in conv pair nonzero pick types left; do
    set -- "$@" "$models/$name.onnx"
    names=$names,$name
done
if [ -e $transformer.onnx ]; then
    set -- "$@" $transformer.onnx
    names=$names,transformer
fi
for options in -O0 -O1 -O2 -O3 "-O2 --fp=strict" "-O2 --fp=fast"; do
    compile "$@" --entry=$names $options -o all
    expect 0 ./all digits --check "$root/demo/digits"
    for name in conv pair nonzero pick types left; do expect 0 ./all $name --check "$models/$name"; done
    [ ! -e $transformer.onnx ] || expect 0 ./all transformer --check $transformer
done

# ---- what --fp permits shows in the kernels, and only there ----
for mode in strict default fast; do
    expect 0 "$onnxcc" -q $transformer.onnx --fp=$mode --entry=t --emit=kernels -mcpu=x86-64-v3 -o fp.$mode
done
grep -q "fma(%attention.scores" fp.fast || fail "--fp=fast fuses no product with a sum"
grep -q "%attention.scores.* \* .* + " fp.default || fail "--fp=default fuses products with sums"
grep -q "%attention.scores" fp.strict && fail "--fp=strict finds attention again"
grep -q "\] / %attention.sum" fp.default || fail "--fp=default lacks the division"
grep -q "\* (1.0 / %attention.sum" fp.fast || fail "--fp=fast divides each element"

# ---- the same bytes ----
export TMPDIR="$tmp/here"
mkdir here
for j in 1 2; do
    compile "$digits" -j$j -o a$j
    compile "$digits" -j$j -mcpu=x86-64-v3 --emit=staticlib --entry=d -o l$j.a
done
same a1 a2
same l1.a l2.a
export TMPDIR="$tmp"
compile "$digits" -o again
same a1 again
cp "$digits" copy.onnx
compile copy.onnx --entry=digits --no-cache -o again
same a1 again
absent here/*

# ---- weights outside ----
compile "$models/left.onnx" --weights=file -o left
expect 0 ./left --check "$models/left"
[ "$(size left.weights)" -ge 36864 ] || fail "left.weights has $(size left.weights) bytes"
grep -q ONNXCCW1 left.weights || fail "left.weights lacks its header"
mkdir other
mv left.weights other/w
refuses left.weights -- ./left --check "$models/left"
expect 0 ./left --weights other/w --check "$models/left"
cp other/w left.weights
(cd other && expect 0 ../left --check "$models/left") || fail "weights beside the program were not found"
head -c 1000 other/w >left.weights
refuses "too short" -- ./left --check "$models/left"
: >left.weights
refuses weights -- ./left --check "$models/left"
head -c 40000 "$models/left.onnx" >left.weights
refuses "not a weights file" -- ./left --check "$models/left"
compile "$models/right.onnx" --weights=file -o right
cp right.weights left.weights
refuses "another model" -- ./left --check "$models/left"
compile "$models/left.onnx" --weights=extern --emit=staticlib -o libleft.a
[ -s libleft.a.weights ] || fail "--weights=extern wrote no weights"
grep -q "outside of the object" left.h || fail "the header does not say where the weights are"

# ---- texts go through onnxcc-opt as they are ----
for model in "$digits" $transformer.onnx "$models/conv.onnx" "$models/nonzero.onnx"; do
    [ -e "$model" ] || continue
    for kind in graph kernels plan loops; do
        expect 0 "$onnxcc" -q "$model" --entry=text --emit=$kind -o text
        expect 0 "$opt" text
        cp out twice
        same text twice
        expect 0 "$onnxcc" -q "$model" --entry=text --emit=$kind
        same out text
    done
done

# After every pass, too.
for options in -O0 -O1 -O2 "-O2 -mcpu=x86-64,x86-64-v4"; do
    for model in "$digits" $transformer.onnx "$models/conv.onnx" "$models/rounds.onnx" "$models/top.onnx"; do
        expect 0 "$onnxcc" -q "$model" $options --torture --emit=loops
    done
done

# Several programs in one text.
expect 0 "$onnxcc" -q "$models/left.onnx" "$models/pick.onnx" --emit=plan -o text
expect 0 "$opt" text
cp out twice
same text twice
printf '\nnonsense' >>text
refuses "text:" "nonsense" -- "$opt" text

# ---- looking on ----
expect 0 "$onnxcc" "$models/nonzero.onnx" -v --emit=graph -o verbose
says "nodes; dimensions:" "decided by execution"
expect 0 "$onnxcc" "$digits" --entry=d --emit=kernels --verify-each -o verified
expect 0 "$onnxcc" "$digits" --entry=d --emit=kernels -o plain
same plain verified
expect 0 "$onnxcc" "$digits" --entry=d --time-passes --emit=kernels -o timed
says fuse
same plain timed
expect 0 "$onnxcc" "$digits" --entry=d --dump-after=fuse --emit=kernels -o dumped
says kernel
same plain dumped
expect 0 "$onnxcc" "$digits" --entry=d --dump-after=all --emit=graph -o dumped
refuses nopass -- "$onnxcc" "$digits" --dump-after=nopass -o x
absent x
# a pipe is written to, not replaced
mkfifo pipe
cat pipe >piped &
expect 0 "$onnxcc" -q "$digits" --entry=d --emit=graph -o pipe
wait
[ -p pipe ] || fail "the pipe has become a file"
[ -s piped ] || fail "nothing came through the pipe"
for kind in asm llvm c; do
    expect 0 "$onnxcc" -q "$digits" --entry=d --emit=$kind -o one
    expect 0 "$onnxcc" -q "$digits" --entry=d --emit=$kind -o two
    [ -s one ] || fail "--emit=$kind is empty"
    same one two
done
finish
