# Mathematical functions of compiled programs against libm: a sample of all f32 values, another one for
# every state of the sources. All of them (docs/numerics.md): the same program with a step of 1.
. "$(dirname "$0")/lib.sh"
step=4099

# measure FMA OPTION...: with the code for some CPU; FMA: 1 where that has the instruction.
measure() {
    fma=$1
    shift
    compile "$models/functions.onnx" "$@" --emit=staticlib -o libfunctions.a
    expect 0 $cc -std=c11 -D_DEFAULT_SOURCE -O2 -I. -I"$root" "$root/tests/run/functions.c" libfunctions.a \
        -pthread -lm -o functions
    expect 0 ./functions $step $(($(cksum <libfunctions.a | cut -d' ' -f1) % step)) "$fma"
}

case $(uname -m) in
x86_64)
    measure 0 -mcpu=x86-64
    ! grep -qw fma /proc/cpuinfo || measure 1 -mcpu=x86-64-v3
    ! grep -qw avx512vl /proc/cpuinfo || measure 1 -mcpu=x86-64-v4
    ;;
*) measure 1 ;;
esac
finish
