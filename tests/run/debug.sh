# -g: the lines of the debug information are statements of the text beside the output.
. "$(dirname "$0")/lib.sh"
command -v readelf >/dev/null || finish # of binutils, as ld is
out=plain
for options in "-j1" "-O0 -j2"; do
    compile "$digits" --entry=digits -mcpu=x86-64 $options -g -o $out
    [ -s $out.loops ] || fail "$out.loops was not written"
    readelf --debug-dump=decodedline $out 2>/dev/null | awk -v f="$out.loops" '$1 == f && $2 > 0 {print $2}' |
        sort -nu >lines
    [ "$(wc -l <lines)" -gt 20 ] || fail "$options: debug information has $(wc -l <lines) lines"
    awk 'NR == FNR {want[$1] = 1; next} FNR in want' lines $out.loops >text
    [ "$(wc -l <text)" -eq "$(wc -l <lines)" ] || fail "$options: lines beyond the text"
    grep -vE '^ *(func|for|if|buffer|%)' text && fail "$options: lines that are no statements"
    grep -q '] = fma(' text || fail "$options: no sum has a line"
done
expect 0 ./plain --check "$root/demo/digits"
compile "$digits" --entry=digits -mcpu=x86-64 -o without
absent without.loops
readelf -S without | grep -q debug_line && fail "debug information without -g"
finish
