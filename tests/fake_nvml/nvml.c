/* A libnvidia-ml.so.1 that answers what a text file says, read anew at every call, so that a test can change the
 * machine while it is being watched. FAKE_NVML names the file. One `key value` a line:
 *
 *   cards 2                  how many cards there are (default 1)
 *   FUNCTION 3               this call fails with that code of nvml.h, on every card
 *   CARD.FUNCTION 15         ... on this card only;  CARD.* 15: everything on this card
 *   FUNCTION hang            the call never returns
 *   CARD.util 76             and used, free, reserved, total (MiB), temp, power, limit (mW), sm, mem (MHz), fan,
 *                            throttle (mask), energy (mJ), mig (1: on), uuid (the last digits)
 *   CARD.compute PID BYTES   a process, as often as there are; CARD.graphics the same; BYTES none: not available
 *   CARD.sample PID PERCENT  its share of the GPU
 *
 * Compiled with -DOLD it lacks what came with later drivers: memory v2, process lists v3, clock "event" reasons.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned int uint;
typedef unsigned long long ull;
typedef struct { uint gpu, memory; } Rates;
typedef struct { ull total, free, used; } Memory;
typedef struct { uint version; ull total, reserved, free, used; } Memory2;
typedef struct { uint pid; ull bytes; uint instance, compute; } Process;
typedef struct { uint pid; ull at_us; uint sm, memory, encoder, decoder; } Sample;

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
#define MIB 1048576ULL

/* the n-th value of a key; 0 if there is none */
static int line_of(const char *key, int n, char *value, size_t size) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[256];
    int found = 0;
    if (!file) return 0;
    while (!found && fgets(line, sizeof line, file)) {
        char *gap = strchr(line, ' ');
        if (!gap) continue;
        *gap = 0;
        if (strcmp(line, key) == 0 && n-- == 0) {
            snprintf(value, size, "%s", gap + 1);
            found = 1;
        }
    }
    fclose(file);
    return found;
}

/* handles: 1, 2 ... are cards; 101, 102 ... the two MIG parts of card 0, 111, 112 of card 1 */
static int card_of(void *device) {
    long h = (long)device;
    return (int)(h > 100 ? (h - 101) / 10 : h - 1);
}

static ull number(void *device, const char *what, ull otherwise) {
    char key[64], value[64];
    snprintf(key, sizeof key, "%d.%s", card_of(device), what);
    return line_of(key, 0, value, sizeof value) ? strtoull(value, NULL, 0) : otherwise;
}

/* the code that a call shall fail with */
static int fault(const char *function, void *device) {
    char keys[3][96], value[64];
    snprintf(keys[0], sizeof keys[0], "%s", function);
    snprintf(keys[1], sizeof keys[1], "%ld.%s", device ? (long)device - 1 : -1L, function);
    snprintf(keys[2], sizeof keys[2], "%ld.*", device ? (long)device - 1 : -1L);
    for (int i = 0; i < 3; i++) {
        if (!line_of(keys[i], 0, value, sizeof value)) continue;
        while (strncmp(value, "hang", 4) == 0) sleep(1000);
        return atoi(value);
    }
    return OK;
}

#define ASK(device) do { int code = fault(__func__, device); if (code) return code; } while (0)

int nvmlInitWithFlags(uint flags) { (void)flags; ASK(NULL); return OK; }
int nvmlShutdown(void) { ASK(NULL); return OK; }
const char *nvmlErrorString(int code) { (void)code; return "Fake Trouble"; }

int nvmlDeviceGetCount_v2(uint *count) {
    char value[64];
    ASK(NULL);
    *count = line_of("cards", 0, value, sizeof value) ? (uint)atoi(value) : 1;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(uint index, void **device) {
    *device = (void *)(long)(index + 1);
    ASK(*device);
    return OK;
}
int nvmlDeviceGetUUID(void *d, char *text, uint size) {
    ASK(d);
    snprintf(text, size, "GPU-00000000-0000-4000-8000-%012llu", number(d, "uuid", card_of(d)));
    return OK;
}
int nvmlDeviceGetName(void *d, char *text, uint size) {
    ASK(d);
    snprintf(text, size, "NVIDIA Fake %d", card_of(d));
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor) {
    ASK(d);
    *major = number(d, "major", 8), *minor = number(d, "minor", 9);
    return OK;
}
int nvmlSystemGetDriverVersion(char *text, uint size) {
    ASK(NULL);
    snprintf(text, size, "550.54.15");
    return OK;
}
int nvmlSystemGetCudaDriverVersion(int *version) {
    ASK(NULL);
    *version = 12040;
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *d, Rates *rates) {
    ASK(d);
    if (number(d, "mig", 0)) return NOT_SUPPORTED;
    rates->gpu = number(d, "util", 0), rates->memory = 1;
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *d, Memory *m) {
    ASK(d);
    m->total = number(d, "total", 24576) * MIB;
    m->used = (number(d, "used", 1024) + number(d, "reserved", 300)) * MIB;
    m->free = m->total - m->used;
    return OK;
}
#define NUMBER(function, type, what, otherwise) \
    int function(void *d, type *out) { ASK(d); *out = (type)number(d, what, otherwise); return OK; }
NUMBER(nvmlDeviceGetPowerUsage, uint, "power", 250500)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, uint, "limit", 450000)
NUMBER(nvmlDeviceGetFanSpeed, uint, "fan", 41)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, ull, "energy", 5000000)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, ull, "throttle", 0)
NUMBER(nvmlDeviceGetMaxMigDeviceCount, uint, "parts", 7)

int nvmlDeviceGetTemperature(void *d, int sensor, uint *out) {
    ASK(d);
    *out = (uint)number(d, "temp", 63);
    return sensor == 0 ? OK : INVALID;
}
int nvmlDeviceGetClockInfo(void *d, int clock, uint *out) {
    ASK(d);
    *out = (uint)(clock == 1 ? number(d, "sm", 2520) : number(d, "mem", 10501));
    return clock == 1 || clock == 2 ? OK : INVALID;
}
int nvmlDeviceGetMigMode(void *d, uint *current, uint *pending) {
    ASK(d);
    *current = *pending = (uint)number(d, "mig", 2);
    return *current == 2 ? NOT_SUPPORTED : OK;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *d, uint index, void **part) {
    ASK(d);
    *part = (void *)(101 + 10L * card_of(d) + index);
    return index < 2 ? OK : NOT_FOUND;
}

static int processes(void *d, const char *what, uint *count, Process *list) {
    char key[64], value[64], bytes[32];
    uint n = 0, room = *count;
    snprintf(key, sizeof key, "%d.%s", card_of(d), what);
    for (; line_of(key, (int)n, value, sizeof value); n++) {
        if (!list || n >= room) continue;
        list[n].instance = list[n].compute = 0xFFFFFFFFu;
        sscanf(value, "%u %31s", &list[n].pid, bytes);
        list[n].bytes = strcmp(bytes, "none") ? strtoull(bytes, NULL, 0) : ~0ULL;
    }
    *count = n;
    return n > room || (n && !list) ? TOO_SMALL : OK;
}
#define LIST(function, what) \
    int function(void *d, uint *count, Process *list) { ASK(d); return processes(d, what, count, list); }
LIST(nvmlDeviceGetComputeRunningProcesses_v2, "compute")
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics")

int nvmlDeviceGetProcessUtilization(void *d, Sample *list, uint *count, ull since_us) {
    char key[64], value[64];
    uint n = 0;
    ASK(d);
    snprintf(key, sizeof key, "%d.sample", card_of(d));
    for (; line_of(key, (int)n, value, sizeof value); n++) {
        if (!list || n >= *count) continue;
        memset(&list[n], 0, sizeof list[n]);
        sscanf(value, "%u %u", &list[n].pid, &list[n].sm);
        list[n].at_us = (ull)time(NULL) * 1000000ULL + 999999ULL;
        if (list[n].at_us < since_us) return NOT_FOUND;
    }
    *count = n;
    return n == 0 ? NOT_FOUND : list ? OK : TOO_SMALL;
}

#ifndef OLD
int nvmlDeviceGetMemoryInfo_v2(void *d, Memory2 *m) {
    ASK(d);
    if (m->version != (2u << 24 | sizeof *m)) return 25;
    m->total = number(d, "total", 24576) * MIB;
    m->used = number(d, "used", 1024) * MIB;
    m->reserved = number(d, "reserved", 300) * MIB;
    m->free = m->total - m->used - m->reserved;
    return OK;
}
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, ull, "throttle", 0)
LIST(nvmlDeviceGetComputeRunningProcesses_v3, "compute")
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
#endif
