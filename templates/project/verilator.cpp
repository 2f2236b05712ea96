{{ header }}
//
// A bench in C++ to begin from: it sends the vectors of the testbench through the core, first at
// full rate, then with random pauses on both sides, and compares what comes out with golden's
// answers. `sh {{ module }}.sh` compiles and runs it; `sh {{ module }}.sh WAVE.vcd` writes a
// waveform, too.

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "V{{ s.top }}.h"
#include "verilated.h"
#include "verilated_vcd_c.h"

namespace {

constexpr size_t IN_BEATS = {{ s.input.beats }};
constexpr size_t OUT_BEATS = {{ s.output.beats }};
constexpr size_t IN_DIGITS = {{ 2 * s.input.beat_bytes() }};
constexpr size_t OUT_DIGITS = {{ 2 * s.output.beat_bytes() }};
// Of how many vectors one starts a sequence.
constexpr size_t EVERY = {{ every }};
// Clocks without a beat after which the core is stuck.
constexpr int PATIENCE =
    1000 + {{ s.loading() }} + 10 * ({% if s.latency > 0 %}{{ s.latency }} + {% endif %}{{ s.ii }});

// A port is as many 32-bit words as it needs, the lowest first: one integer up to 64 bits, an array
// beyond. Here it is a line of hexadecimal digits, as in the files of vectors.
template <typename Port>
void set(Port& port, const std::string& digits) {
    port = static_cast<Port>(std::stoull(digits, nullptr, 16));
}

template <typename Port>
std::string get(const Port& port, size_t digits) {
    std::string text(digits, '0');
    auto rest = static_cast<uint64_t>(port);
    for (size_t i = digits; i-- > 0; rest >>= 4) text[i] = "0123456789abcdef"[rest & 15];
    return text;
}

template <std::size_t WORDS>
void set(VlWide<WORDS>& port, const std::string& digits) {
    for (size_t word = 0; word < WORDS; ++word) {
        const size_t end = digits.size() - 8 * word;
        const size_t begin = end > 8 ? end - 8 : 0;
        port[word] = static_cast<EData>(std::stoul(digits.substr(begin, end - begin), nullptr, 16));
    }
}

template <std::size_t WORDS>
std::string get(const VlWide<WORDS>& port, size_t digits) {
    std::string text;
    for (size_t word = WORDS; word-- > 0;) text += get(port[word], 8);
    return text.substr(text.size() - digits);
}

// Whole beats, one a line.
std::vector<std::string> beats(const std::string& path, size_t digits, size_t beats) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    bool whole = !lines.empty() && lines.size() % beats == 0;
    for (const std::string& line : lines) {
        whole &= line.size() == digits
                 && line.find_first_not_of("0123456789abcdef") == std::string::npos;
    }
    if (!whole) lines.clear();
    if (!whole) std::printf("%s does not hold whole vectors\n", path.c_str());
    return lines;
}

// The core, its clock and its waveform.
class Core {
public:
    V{{ s.top }} ports;

    Core(VerilatedContext& context, const char* wave) : ports(&context, "core") {
        if (!wave) return;
        context.traceEverOn(true);
        ports.trace(&trace, 99);
        trace.open(wave);
    }

    ~Core() {
        ports.final();
        if (trace.isOpen()) trace.close();
    }

    // From one falling edge to the next; inputs change at falling edges.
    void clock() {
        for (const bool level : {true, false}) {
            ports.aclk = level;
            ports.eval();
            time += 5;
            if (trace.isOpen()) trace.dump(time);
        }
    }

    void reset() {
        ports.aclk = 0;
{%- if clken %}
        ports.aclken = 1;
{%- endif %}
{%- if by_tlast %}
        ports.frame_error_clear = 0;
{%- endif %}
        ports.s_axis_tvalid = 0;
        ports.m_axis_tready = 0;
        ports.aresetn = 0;
        for (int i = 0; i < 4; ++i) clock();
        ports.aresetn = 1;
    }

private:
    VerilatedVcdC trace;
    uint64_t time = 0;
};

// Sends all vectors and compares what comes out; with pauses, either side waits every other clock.
bool run(Core& core, const std::vector<std::string>& given,
         const std::vector<std::string>& expected, bool pauses) {
    auto& ports = core.ports;
    uint32_t noise = 1;
    size_t sent = 0, received = 0;
    int failures = 0, idle = 0;
    core.reset();
    while (received < expected.size() && idle < PATIENCE && failures < 20) {
        noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
        // A beat that was offered is offered until it is taken.
        if (!ports.s_axis_tvalid && sent < given.size() && !(pauses && noise & 1)) {
            set(ports.s_axis_tdata, given[sent]);
{%- if by_tlast %}
            ports.s_axis_tlast = sent % IN_BEATS == IN_BEATS - 1;
{%- endif %}
            ports.s_axis_tuser = sent % (EVERY * IN_BEATS) == 0;
            ports.s_axis_tvalid = 1;
        }
        ports.m_axis_tready = !(pauses && noise & 2);
        ports.eval();
        const bool takes = ports.s_axis_tvalid && ports.s_axis_tready;
        const bool gives = ports.m_axis_tvalid && ports.m_axis_tready;
        if (gives) {
            const std::string got = get(ports.m_axis_tdata, OUT_DIGITS);
            const bool last = received % OUT_BEATS == OUT_BEATS - 1;
            const bool user = received % (EVERY * OUT_BEATS) == 0;
            if (got != expected[received] || ports.m_axis_tlast != last
                || ports.m_axis_tuser != user) {
                std::printf("vector %zu, beat %zu: got %s (last %d, user %d), golden says %s\n",
                            received / OUT_BEATS, received % OUT_BEATS, got.c_str(),
                            ports.m_axis_tlast, ports.m_axis_tuser, expected[received].c_str());
                ++failures;
            }
            ++received;
        }
        core.clock();
        if (takes) {
            ports.s_axis_tvalid = 0;
            ++sent;
        }
        idle = takes || gives ? 0 : idle + 1;
    }
    if (idle == PATIENCE) {
        std::printf("vector %zu, beat %zu: stuck, %d clocks without a beat\n", received / OUT_BEATS,
                    received % OUT_BEATS, idle);
    }
    return failures == 0 && received == expected.size();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::printf("usage: %s BUILD [WAVE.vcd]\n", argv[0]);
        return 2;
    }
    const std::string vectors = std::string(argv[1]) + "/{{ s.testbench }}_";
    const auto given = beats(vectors + "input.mem", IN_DIGITS, IN_BEATS);
    const auto expected = beats(vectors + "output.mem", OUT_DIGITS, OUT_BEATS);
    VerilatedContext context;
    Core core(context, argc > 2 ? argv[2] : nullptr);
    const bool passes = !given.empty() && given.size() / IN_BEATS == expected.size() / OUT_BEATS
                        && run(core, given, expected, false) && run(core, given, expected, true);
    if (!passes) {
        std::printf("FAIL {{ s.top }}\n");
        return 1;
    }
    std::printf("PASS {{ s.top }}: %zu vectors\n", given.size() / IN_BEATS);
    return 0;
}
