/*
 * cpu.h
 *		Processor time of a process and all its descendants.
 */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CPU_PROCESSES_MAX 4096

typedef struct ProcessCpu
{
	pid_t		pid;
	pid_t		parent;
	int64_t		nanoseconds;	/* user and system, of all its threads, ended ones included */
} ProcessCpu;

typedef struct CpuReading
{
	size_t		n;
	ProcessCpu	process[CPU_PROCESSES_MAX];
} CpuReading;

extern void cpu_read(pid_t root, CpuReading *reading);
extern double cpu_milliseconds(const CpuReading *before, const CpuReading *after);

#endif
