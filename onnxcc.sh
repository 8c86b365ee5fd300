#!/bin/sh
# Installs what is missing, builds, demonstrates, tests and measures onnxcc; see usage below.
#
# Can be repeated. A complete machine needs neither root nor network: dpkg-query and build/ are asked
# first. Everything this script makes lies in build/.
set -eu
cd "$(dirname "$0")"

usage() {
    cat <<'END'
usage: ./onnxcc.sh demo     installs what is missing, builds, compiles the bundled model and runs it
       ./onnxcc.sh test     installs, builds, runs all tests; last line: N passed, M failed
       ./onnxcc.sh build    installs and builds only: build/onnxcc, build/onnxcc-opt
       ./onnxcc.sh bench    side by side with the peers (installs them from PyPI into build/)

Environment: ONNXCC_NO_PYTHON=1 leaves out the tests that need Python packages.
END
}

build_packages="llvm-19 llvm-19-dev clang-19 lld-19 libisl-dev libprotobuf-c-dev
    protobuf-c-compiler protobuf-compiler cmake ninja-build gcc libc6-dev pkg-config"
python_packages="python3 python3-venv"
test_packages="qemu-user-static qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    gcc-arm-none-eabi libnewlib-arm-none-eabi libclang-rt-19-dev libturbojpeg0 libpng16-16 libtiff6
    libopenjp2-7 libwebp7 $python_packages"

say() {
    echo "onnxcc.sh: $*"
}

fail() {
    echo "onnxcc.sh: error: $*" >&2
    exit 1
}

run() {
    echo "+ $*"
    "$@"
}

# Prints those of the named packages that are not installed.
missing_packages() {
    for package in "$@"; do
        status=$(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null || true)
        case " $status" in
        *" installed "*) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

install_packages() {
    missing=$(missing_packages "$@")
    missing=${missing% }
    if [ -z "$missing" ]; then
        say "all $# Debian packages are installed"
        return
    fi
    sudo=
    if ! command -v apt-get >/dev/null 2>&1; then
        fail "there is no apt-get; please install what Debian calls: $missing"
    elif [ "$(id -u)" != 0 ]; then
        sudo=sudo
        if ! command -v sudo >/dev/null 2>&1 || { ! sudo -n true 2>/dev/null && [ ! -t 0 ]; }; then
            fail "neither root nor sudo; as root: apt-get install --no-install-recommends $missing"
        fi
    fi
    say "installing: $missing"
    apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300"
    run $apt -q update || say "apt-get update failed; trying with the lists at hand"
    run $apt -q install -y --no-install-recommends $missing ||
        fail "apt-get could not install: $missing"
}

# install_python VENV REQUIREMENTS: a virtual environment from wheels kept in build/wheels.
install_python() {
    stamp=$1/installed
    wanted=$(cksum <"$2")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$1/bin/python" -c '' 2>/dev/null; then
        say "Python packages of $2 are installed in $1"
        return
    fi
    say "installing the Python packages of $2 into $1"
    run rm -rf "$1"
    run python3 -m venv "$1"
    pip="$1/bin/python -m pip --disable-pip-version-check"
    offline="--no-index --find-links build/wheels --require-hashes --only-binary :all:"
    mkdir -p build/wheels
    if ! $pip install -q $offline -r "$2" 2>/dev/null; then
        run $pip download --require-hashes --only-binary :all: -d build/wheels -r "$2" ||
            fail "the packages of $2 cannot be downloaded (ONNXCC_NO_PYTHON=1 leaves them out)"
        run $pip install $offline -r "$2"
    fi
    echo "$wanted" >"$stamp"
}

# CMake keeps the generator of a build folder that is there already.
build() {
    generator="-G Ninja"
    [ ! -f build/CMakeCache.txt ] || generator=
    run cmake -S . -B build $generator && run cmake --build build
}

demo() {
    out=build/demo
    mkdir -p $out
    say "the bundled model as an executable, checked against recorded outputs"
    run build/onnxcc demo/digits.onnx -o $out/digits
    run $out/digits --check demo/digits
    say "and as a library of C functions"
    run build/onnxcc demo/digits.onnx --emit=staticlib -o $out/libdigits.a
    run cc -std=c99 -I$out demo/digits.c $out/libdigits.a -lm -o $out/digits_c
    run $out/digits_c demo/digits
}

# Runs ctest; the last line and the exit code say how it went.
run_tests() {
    log=build/ctest.log
    say "ctest --test-dir build -j2"
    ctest --test-dir build -j2 --output-on-failure 2>&1 | tee $log
    failed=$(sed -n 's/.* tests passed, \([0-9]*\) tests* failed out of .*/\1/p' $log)
    total=$(sed -n 's/.* tests passed, .* failed out of \([0-9]*\).*/\1/p' $log)
    if [ -z "$total" ]; then
        say "ctest found no tests or did not finish"
        failed=1 total=1
    fi
    echo "$((total - failed)) passed, $failed failed"
    [ "$failed" = 0 ]
}

case "${1:-}" in
build)
    install_packages $build_packages
    build
    ;;
demo)
    install_packages $build_packages
    build
    demo
    ;;
test)
    install_packages $build_packages $test_packages
    if [ -z "${ONNXCC_NO_PYTHON:-}" ]; then
        install_python build/venv tests/requirements.txt
    fi
    if ! build; then
        say "the build failed; nothing was tested"
        echo "0 passed, 1 failed"
        exit 1
    fi
    run_tests
    ;;
bench)
    shift
    install_packages $build_packages $python_packages
    install_python build/venv-bench bench/requirements.txt
    build
    run build/venv-bench/bin/python bench/bench.py "$@"
    ;;
-h | --help | help)
    usage
    ;;
*)
    usage >&2
    exit 1
    ;;
esac
