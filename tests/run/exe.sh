# A compiled executable: its own command line, files in and out, exit codes.
. "$(dirname "$0")/lib.sh"

compile "$digits" -o digits
silent
expect 0 ./digits --check "$root/demo/digits"
says "2 passed, 0 failed"
expect 0 ./digits --check "$root/demo/digits/test_data_set_0"
says "1 passed, 0 failed"

# ---- inputs and outputs, from and to every kind of file ----
expect 0 ./digits --input images="$root/demo/digits/images.npy" --output logits=l.npy --output logits=l.bin
[ "$(size l.bin)" -eq $((20 * 10 * 4)) ] || fail "l.bin has $(size l.bin) bytes"
tail -c 800 l.npy >tail.bin
same tail.bin l.bin
mkdir set
tail -c $((20 * 64 * 4)) "$root/demo/digits/images.npy" >images.bin
expect 0 ./digits --input images=images.bin --output logits=set/output_0.pb
expect 0 ./digits --input=images="$root/demo/digits/images.npy" --output=logits=again.npy
same l.npy again.npy
cp "$root/demo/digits/test_data_set_1/input_0.pb" set
expect 0 ./digits --check set --rtol 0 --atol 0 # what .bin gave is what .npy and .pb give
expect 0 ./digits --dim N=4 --seed 3 --output logits=a.npy
says 'input "images" is made up' "seed 3" "f32[4,1,8,8]"
expect 0 ./digits --dim N=4 --seed 3 --threads 1 --output logits=b.npy
same a.npy b.npy
expect 0 ./digits --dim N=4 --seed 4 --output logits=c.npy
cmp -s a.npy c.npy && fail "seeds 3 and 4 give the same"

# ---- a link stays, and what it leads to is written ----
for kind in exe graph obj; do
    echo old >target.$kind
    ln -s target.$kind link.$kind
    expect 0 "$onnxcc" -q "$digits" --emit=$kind -o link.$kind
    [ -L link.$kind ] && [ "$(size target.$kind)" -gt 1000 ] || fail "--emit=$kind to a link"
done
expect 0 ./link.exe --check "$root/demo/digits"

# ---- every type there and back ----
compile "$models/types.onnx" -o types
expect 0 ./types --check "$models/types"
set --
for t in f64 f16 i64 i32 u8 flag; do set -- "$@" --output "${t}_2=$t.npy"; done
expect 0 ./types --dim N=5 "$@"
"$helper" npy "<i8" "(2,)" 7 -9 >i64.npy
expect 0 ./types --input i64=i64.npy --output i64_2=i64.bin
"$helper" npy "<i8" "(2,)" 49 81 >want.npy
tail -c 16 want.npy >want.bin
same i64.bin want.bin

# ---- mismatches are exit code 3, nothing to compare is 1 ----
mkdir wrong empty
cp "$root/demo/digits/test_data_set_0/output_0.pb" set/output_0.pb
expect 3 ./digits --check set
says 'output "logits"'
cp "$root/demo/digits/test_data_set_0/input_0.pb" "$root/demo/digits/test_data_set_1/output_0.pb" wrong
expect 3 ./digits --check wrong
cp "$root/demo/digits/test_data_set_0/"*.pb wrong
expect 0 ./digits --check wrong
expect 3 ./digits --check wrong --rtol 0 --atol 0
refuses nothing empty -- ./digits --check empty
refuses missing -- ./digits --check missing

# ---- reports ----
expect 0 ./digits --bench --runs 3 --json --dim N=2 --threads 1
cp out bench.json
for key in threads runs ms_first ms_median ms_min arena_bytes weights_bytes peak_rss_bytes; do
    member bench.json $key >value
    grep -q '^[0-9.e+-]*$' value || fail "$key is no number"
done
[ "$(member bench.json threads)" = 1 ] || fail "one thread was asked for"
[ "$(member bench.json runs)" = 3 ] || fail "three runs were asked for"
expect 0 ./digits --bench
says runs median arena
expect 0 ./digits --info --json
cp out info.json
for key in dims arena_bytes weights_bytes target kernels; do member info.json $key >value; done
[ "$(member info.json inputs)" = '[{"name": "images", "dtype": "f32", "shape": ["N", 1, 8, 8]}]' ] || fail inputs
[ "$(member info.json outputs)" = '[{"name": "logits", "dtype": "f32", "shape": ["N", 10]}]' ] || fail outputs
expect 0 ./digits --info
says images logits N arena kernels
expect 0 ./digits --trace t.json
member t.json traceEvents >value
grep -q "conv1" value || fail "the trace does not name the nodes"

# ---- a.out; what it depends on; files elsewhere ----
compile "$digits"
expect 0 ./a.out --check "$root/demo/digits"
ldd ./a.out >libraries 2>&1
grep -v -e libc.so -e libm.so -e linux-vdso -e ld-linux -e 'ld-musl' libraries >others && fail "depends on: $(cat others)"
expect 0 ./a.out --help
says --check --bench --dim

# ---- whatever is wrong has a sentence, and exit code 1 ----
refuses "--nonsense" -- ./digits --nonsense
refuses "--threads" -- ./digits --threads 0
refuses "pictures" -- ./digits --input pictures=l.npy
refuses "labels" -- ./digits --output labels=l.npy
refuses "is given twice" -- ./digits --input images=images.bin --input images=images.bin
refuses "--json" -- ./digits --json
refuses '"M"' -- ./digits --dim M=3
refuses "-1" N -- ./digits --dim N=-1
refuses "N" -- ./digits --dim N=99999999999999999999
refuses nowhere -- ./digits --output logits=nowhere/x.npy
finish
