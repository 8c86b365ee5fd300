# Static libraries, objects and shared libraries, used from C and C++.
. "$(dirname "$0")/lib.sh"
here=$root/tests/run
cxx=${CXX:-c++}

# What the program compares with.
compile "$digits" -o program
expect 0 ./program --input images="$root/demo/digits/images.npy" --output logits=logits.bin

# use DIR FILE...: the programs, built against what lies in DIR, in C and C++.
use() {
    dir=$1
    shift
    expect 0 $cc -std=c99 -D_DEFAULT_SOURCE -O1 -Wall -Wextra -pedantic -Werror -I"$dir" "$here/library.c" "$@" \
        -pthread -lm -o "$dir/c"
    expect 0 "$dir/c" "$root/demo/digits/images.npy" logits.bin
    expect 0 $cc -std=c99 -O1 -Wall -Wextra -pedantic -Werror -I"$dir" "$root/demo/digits.c" "$@" -pthread -lm -o "$dir/demo"
    expect 0 "$dir/demo" "$root/demo/digits"
    says "20 of 20 right"
}

mkdir a o so
for out in staticlib:a/lib:.a obj:o/:.o sharedlib:so/lib:.so; do
    kind=${out%%:*} end=${out##*:} start=${out#*:}
    start=${start%:*}
    compile "$digits" --emit=$kind -o "${start}digits$end"
    compile "$models/pair.onnx" --dim N=1..8 --emit=$kind -o "${start}pair$end"
    [ -s ${start%lib}digits.h ] || fail "${start%lib}digits.h was not written"
done
use a a/libdigits.a a/libpair.a
use o o/digits.o o/pair.o
use so so/libdigits.so so/libpair.so -Wl,-rpath,"$tmp/so"
if command -v $cxx >/dev/null; then
    expect 0 $cxx -x c++ -Wall -Wextra -pedantic -Werror -Ia "$here/library.c" -x none a/libdigits.a a/libpair.a -pthread -o a/cxx
    expect 0 a/cxx "$root/demo/digits/images.npy" logits.bin
fi
for name in digits pair; do # headers alone, twice, with all warnings
    printf '#include "%s.h"\n#include "%s.h"\nint x;\n' $name $name >twice.c
    expect 0 $cc -std=c99 -Wall -Wextra -pedantic -Wshadow -Wstrict-prototypes -Wundef -Werror -Ia -c twice.c -o twice.o
done

# ---- names ----
# Global symbols are NAME_*; what is asked of others: three functions, and the C library's where there are
# pool and files. In a static library those are members of their own.
hosted='pthread_create pthread_join sched_yield syscall clock_gettime open close fstat mmap munmap readlink strlen strcpy'
globals() {
    nm -g --defined-only "$@" 2>/dev/null | sed -n 's/^[0-9a-f]* [A-Z] //p'
}
for name in digits pair; do
    for file in a/lib$name.a o/$name.o; do
        globals $file | grep -v "^${name}_" >others && fail "$file defines $(tr '\n' ' ' <others)"
        globals $file >defined
        nm -u $file 2>/dev/null | sed -n 's/^ *[Uw] //p' | sort -u >needed
        for symbol in memcpy memmove memset $hosted $(cat defined); do
            grep -vx "$symbol" needed >rest
            mv rest needed
        done
        [ ! -s needed ] || fail "$file needs $(tr '\n' ' ' <needed)"
    done
    mkdir members
    (cd members && ar x ../a/lib$name.a) || fail "ar x"
    [ -s members/${name}_pool.o ] || fail "the pool is no member of its own"
    for file in members/*.o; do
        [ $file = members/${name}_pool.o ] && continue
        nm -u $file | sed -n 's/^ *[Uw] //p' | grep -v "^${name}_" | grep -vxE 'mem(cpy|move|set)' >needed
        [ ! -s needed ] || fail "$file needs $(tr '\n' ' ' <needed)"
    done
    rm -r members
    globals -D so/lib$name.so | sort >defined
    for f in arena_bytes close explain open open_signed pool_free pool_new run; do echo ${name}_$f; done | sort >want
    same defined want
    ldd so/lib$name.so | grep -v -e libc.so -e libm.so -e linux-vdso -e ld-linux -e ld-musl >others &&
        fail "lib$name.so depends on $(cat others)"
done

# ---- outputs of unknown size ----
compile "$models/nonzero.onnx" --emit=staticlib -o libnonzero.a
expect 0 $cc -std=c11 -Wall -Wextra -pedantic -Werror -I. "$here/unknown.c" libnonzero.a -pthread -o unknown
expect 0 ./unknown

# ---- names of entries and headers ----
compile "$models/pair.onnx" -c -o p.o --entry=my_pair --header=other.h
grep -q my_pair_run other.h || fail "other.h lacks my_pair_run"
absent p.h my_pair.h
finish
