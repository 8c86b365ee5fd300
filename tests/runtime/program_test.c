/* A compiled executable's command line, driven from outside: program_test PROGRAM THREE, both made
 * from handmade.c, with one entry and with three. */
#include "test.h"

static const char *program, *three;

/* Runs `PROGRAM ARGS` and expects an exit code and a part of what is printed. */
static void expect(int code, const char *text, const char *args) {
    char command[4096];
    snprintf(command, sizeof command, "%s %s 2>&1", program, args);
    int got = run_command(command);
    if (got != code || !strstr(output, text)) {
        failures++;
        fprintf(stderr, "%s\n  exit code %d instead of %d, expected: %s\n%s\n", command, got, code,
                text, output);
    }
}

static const float x2[6] = {1, 2, 3, 4, 5, 6};
static const float y2[6] = {3, 5, 7, 12, 14, 16};
static const int64_t ids2[2] = {1, 4};
static const uint8_t pick2[4] = {0, 1, 0, 7};

static void write_inputs(void) {
    write_npy("x.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", x2, 24);
    write_npy("ids.npy", 2, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n", ids2,
              16);
    write_npy("pick.npy", 3, "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }\n", pick2,
              4);
    write_bytes("x.bin", x2, 24);
    write_bytes("odd.bin", x2, 23);
    write_bytes("x.txt", x2, 24);
    write_bytes("cut.npy", "\x93NUMPY\x01\x00\x76\x00{'descr'", 18);
    write_bytes("foreign.npy", "hello, this is text", 19);
    write_bytes("foreign.pb", "\x12\xff\xff\xff\xff\x7fhello", 11);
    const float columns[6] = {1, 4, 2, 5, 3, 6};
    write_npy("order.npy", 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n",
              columns, 24);
    unsigned char swapped[24];
    for (int i = 0; i < 24; i++) swapped[i] = ((const unsigned char *)x2)[i / 4 * 4 + 3 - i % 4];
    write_npy("big.npy", 1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }\n",
              swapped, 24);
    double d[6] = {1, 2, 3, 4, 5, 6};
    write_npy("f64.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n", d, 48);
    write_npy("rank.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n", x2, 24);
    write_npy("axis.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", x2,
              24);
    write_npy("short.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", x2,
              20);
    write_npy("ids3.npy", 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }\n",
              (int64_t[3]){0}, 24);
    write_npy("ids9.npy", 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n",
              (int64_t[2]){0, 9}, 16);
    write_npy("none.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }\n", x2,
              0);
    write_npy("pick3.npy", 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n", pick2,
              3);
}

static void check_outputs(void) {
    const char *all = "--input x=x.npy --input=ids=ids.npy --input pick=pick.npy";
    char args[512];
    expect(0, "y : f32[2,3] = 3 5 7 12 14 16\nhits : i64[1,2] = 1 3\n", all);
    expect(0, "= 3 5 7 12 14 16", "--input x=order.npy --input ids=ids.npy");
    expect(0, "= 3 5 7 12 14 16", "--input x=big.npy --input ids=ids.npy");
    expect(0, "= 3 5 7 12 14 16", "--input x=x.bin --input ids=ids.npy");
    expect(0, "made up: bool[4], seed 0", "--input x=x.npy --input ids=ids.npy");
    snprintf(args, sizeof args, "%s --output y=y.npy --output hits=hits.pb", all);
    expect(0, "", args);
    snprintf(args, sizeof args, "%s --output y=y.bin", all);
    expect(0, "", args);
    expect(0, "y : f32[2,3] = 7 11 15 28 32 36",
           "--input x=y.npy --input ids=ids.npy"); /* our own file */
    FILE *f = fopen("y.bin", "rb");
    float y[7];
    EXPECT(f && fread(y, 4, 7, f) == 6 && !memcmp(y, y2, 24));
    if (f) fclose(f);
}

static void refuse_inputs(void) {
    expect(1, "no input \"z\"; it has: x, ids, pick", "--input z=x.npy");
    expect(1, "input \"x\" is given twice", "--input x=x.npy --input x=x.npy");
    expect(1, "missing.npy: No such file", "--input x=missing.npy");
    expect(1, "must end in .npy, .pb or .bin", "--input x=x.txt");
    expect(1, "cut off inside its header", "--input x=cut.npy");
    expect(1, "not a .npy file", "--input x=foreign.npy");
    expect(1, "not a TensorProto", "--input x=foreign.pb");
    expect(1, "holds 20 bytes of data, but f32[2,3] needs 24", "--input x=short.npy");
    expect(1, "input \"x\" must be f32[N,3], but f64.npy holds f64[2,3] (another type)",
           "--input x=f64.npy");
    expect(1, "input \"x\" must be f32[N,3], but rank.npy holds f32[6] (another rank)",
           "--input x=rank.npy");
    expect(1, "input \"x\" axis 1 is 2, but must be 3", "--input x=axis.npy");
    expect(1, "input \"x\": odd.bin has 23 bytes, but f32[2,3] has 24",
           "--input x=odd.bin --dim N=2");
    expect(1, "input \"ids\" axis 0 is 3, but dimension \"N\" is 2 (input \"x\" axis 0)",
           "--input x=x.npy --input ids=ids3.npy");
    expect(1, "input \"ids\" axis 0 is 3, but dimension \"N\" is 4 (--dim)",
           "--dim N=4 --input ids=ids3.npy");
    expect(1, "input \"pick\" axis 0 is 3, but 2*N is 4", "--input x=x.npy --input pick=pick3.npy");
    expect(1, "input \"x\" axis 0 is 0, but dimension \"N\" must be in 1..64",
           "--input x=none.npy");
}

static void refuse_options(void) {
    expect(1, "--dim N is 65, but dimension \"N\" must be in 1..64", "--dim N=65");
    expect(1, "no dimension \"M\"", "--dim M=1");
    expect(1, "\"x\" is not an integer", "--dim N=x");
    expect(1, "input \"x\" axis 0 must not be 13", "--dim N=13");
    expect(1, "unknown option \"--speed\"", "--speed");
    expect(1, "not of the form NAME=VALUE", "--input x.npy");
    expect(1, "no output \"z\"; it has: y, hits", "--output z=z.npy");
    expect(1, "do not go together", "--bench --info");
    expect(1, "--json goes with", "--json");
    expect(1, "--runs goes with", "--runs 3");
    expect(1, "--threads: \"0\" is not an integer in 1..1024", "--threads 0");
    expect(1, "nodir/y.npy: No such file", "--output y=nodir/y.npy");
    expect(1, "node \"Gather_0\" (Gather): an index is outside of 0..4",
           "--input x=x.npy --input ids=ids9.npy");
    expect(0, "usage: ", "--help");
}

static void write_set(const char *dir, float delta) {
    char path[128];
    float y[6];
    memcpy(y, y2, sizeof y);
    y[5] += delta;
    mkdir(dir, 0777);
    const void *data[] = {x2, ids2, pick2, y, (int64_t[2]){1, 3}};
    const char *names[] = {"input_0", "input_1", "input_2", "output_0", "output_1"};
    static const int dtypes[] = {1, 7, 9, 1, 7}, ranks[] = {2, 1, 1, 2, 2};
    static const int64_t dims[][2] = {{2, 3}, {2}, {4}, {2, 3}, {1, 2}};
    static const size_t bytes[] = {24, 16, 4, 24, 16};
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s.pb", dir, names[i]);
        write_pb(path, dtypes[i], ranks[i], dims[i], data[i], bytes[i]);
    }
}

static void check_sets(void) {
    mkdir("sets", 0777);
    mkdir("empty", 0777);
    write_set("sets/test_data_set_0", 0);
    write_set("sets/test_data_set_1", 0.001f);
    write_set("wrong", 0.5f);
    expect(0, "check: 1 passed, 0 failed", "--check sets/test_data_set_0");
    expect(0, "check: 2 passed, 0 failed", "--check sets --threads 2");
    expect(3, "1 of 6 elements differ; the worst, at [1,2], is 16, but should be 16.5",
           "--check wrong");
    expect(0, "largest difference 0.5", "--check wrong --rtol 0.1");
    expect(3, "check: 1 passed, 1 failed", "--check sets --rtol 0 --atol 1e-5");
    expect(1, "nothing to compare", "--check empty");
    expect(1, "cannot be read", "--check nowhere");
    write_pb("wrong/output_0.pb", 1, 2, (int64_t[]){3, 2}, y2, 24);
    expect(3, "is f32[2,3], but should be f32[3,2]", "--check wrong");
    write_pb("wrong/output_0.pb", 1, 2, (int64_t[]){2, 2}, y2, 24);
    expect(1, "24 bytes of raw data, but f32[2,2] needs 16", "--check wrong");
    write_pb("wrong/input_3.pb", 1, 2, (int64_t[]){3, 2}, y2, 24);
    expect(1, "more inputs or outputs than the model", "--check wrong");
}

static void modes(void) {
    expect(0, "5 runs, 1 thread: median", "--bench --runs 5 --threads 1 --dim N=64");
    expect(0, "5 runs, 2 threads: median", "--bench --runs 5 --threads 2 --pin");
    expect(0, "\"threads\": 2, \"runs\": 3, \"ms_first\": ", "--bench --runs 3 --threads 2 --json");
    expect(0, "\"peak_rss_bytes\": ", "--bench --runs 3 --json");
    EXPECT(output[0] == '{' &&
           strchr(output, '\n') == output + strlen(output) - 1); /* one line, no notes */
    expect(0, "arena    384 bytes (4 threads, N = 3)", "--info --threads 4 --dim N=3");
    expect(0, "\"dims\": [{\"name\": \"N\", \"lo\": 1, \"hi\": 64, \"value\": 1}]",
           "--info --json");
    expect(0, "1 kernel in", "--trace t.json");
    EXPECT(run_command("grep -q '\"origin\": \"Gather_0 Add_1\"' t.json") == 0);
}

static void entries(void) {
    const char *one = program;
    program = three;
    expect(1, "the first argument must name an entry: handmade, future, filed", "--info");
    expect(0, "y : f32[2,3] = 3 5 7", "handmade --input x=x.npy --input ids=ids.npy");
    expect(1, "this CPU cannot run the code: the-future needs warp-drive", "future");
    expect(0, "weights  20 bytes", "future --info");
    expect(1, "\"w.weights\" (or config.weights_path) cannot be opened", "filed");
    uint64_t file[12] = {0, 20, 99};
    const float weights[5] = {0, 10, 20, 30, 40};
    memcpy(file, "ONNXCCW1", 8);
    memcpy(file + 8, weights, 20);
    write_bytes("w.weights", file, 84);
    expect(0, "= 12 14 16 48 50 52",
           "filed --weights w.weights --input x=x.npy --input ids=ids.npy");
    write_bytes("w.weights", file, 80);
    expect(1, "the weights are too short", "filed --weights w.weights");
    file[2] = 98;
    write_bytes("w.weights", file, 84);
    expect(1, "these weights belong to another model", "filed --weights w.weights");
    expect(1, "not a weights file", "filed --weights x.npy");
    program = one;
}

int main(int argc, char **argv) {
    if (argc != 3) return 1;
    program = argv[1];
    three = argv[2];
    enter_test_dir();
    write_inputs();
    check_outputs();
    refuse_inputs();
    refuse_options();
    check_sets();
    modes();
    entries();
    return leave_test_dir();
}
