/*
 * cpu.c
 *		Processor time of a process and all its descendants.
 *
 * The kernel keeps a clock of processor time for each process, in nanoseconds,
 * and lets others read it.  (The ticks of /proc/PID/stat are 10 ms: longer than
 * most queries.)  A process that starts and ends between two readings is not
 * seen: the backends measured here stay.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu.h"

static void list_processes(CpuReading *reading);
static bool read_parent(pid_t pid, pid_t *parent);
static void keep_tree(CpuReading *reading, pid_t root);
static bool descends(const CpuReading *all, pid_t pid, pid_t root);
static int64_t process_clock(pid_t pid);

void
cpu_read(pid_t root, CpuReading *reading)
{
	list_processes(reading);
	keep_tree(reading, root);
	for (size_t i = 0; i < reading->n; i++)
		reading->process[i].nanoseconds = process_clock(reading->process[i].pid);
}

/* What the processes of the later reading have used since the earlier one. */
double
cpu_milliseconds(const CpuReading *before, const CpuReading *after)
{
	int64_t		sum = 0;

	for (size_t i = 0; i < after->n; i++)
	{
		sum += after->process[i].nanoseconds;
		for (size_t j = 0; j < before->n; j++)
		{
			if (before->process[j].pid == after->process[i].pid)
				sum -= before->process[j].nanoseconds;
		}
	}
	return (double) sum / 1e6;
}

static void
list_processes(CpuReading *reading)
{
	DIR		   *proc = opendir("/proc");
	struct dirent *entry;

	reading->n = 0;
	while (proc != NULL && (entry = readdir(proc)) != NULL && reading->n < CPU_PROCESSES_MAX)
	{
		ProcessCpu *process = &reading->process[reading->n];

		if (!isdigit((unsigned char) entry->d_name[0]))
			continue;
		process->pid = (pid_t) atol(entry->d_name);
		if (read_parent(process->pid, &process->parent))
			reading->n++;
	}
	if (proc != NULL)
		closedir(proc);
}

/* The name of the program, in parentheses, may contain anything; the state and the parent follow the last one. */
static bool
read_parent(pid_t pid, pid_t *parent)
{
	char		path[64];
	char		line[512];
	char	   *rest = NULL;
	long		number = 0;
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long) pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	if (fgets(line, sizeof(line), file) != NULL)
		rest = strrchr(line, ')');
	fclose(file);
	if (rest == NULL || sscanf(rest, ") %*c %ld", &number) != 1)
		return false;
	*parent = (pid_t) number;
	return true;
}

static void
keep_tree(CpuReading *reading, pid_t root)
{
	static CpuReading all;

	all = *reading;
	reading->n = 0;
	for (size_t i = 0; i < all.n; i++)
	{
		if (descends(&all, all.process[i].pid, root))
			reading->process[reading->n++] = all.process[i];
	}
}

static bool
descends(const CpuReading *all, pid_t pid, pid_t root)
{
	/* the list is not of one moment, so nothing but the count rules out a circle */
	for (size_t depth = 0; depth < all->n && pid > 1; depth++)
	{
		pid_t		parent = 0;

		if (pid == root)
			return true;
		for (size_t i = 0; i < all->n; i++)
		{
			if (all->process[i].pid == pid)
				parent = all->process[i].parent;
		}
		pid = parent;
	}
	return false;
}

static int64_t
process_clock(pid_t pid)
{
	clockid_t	clock;
	struct timespec time;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return 0;
	return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}
