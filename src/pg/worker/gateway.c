/*
 * gateway.c
 *		The launcher's child that is no worker: the program pgtsdb-gateway, while pgtsdb.http_listen is set.
 *
 * It is not a process of the server: it has no shared memory, and its end, in whatever way, disturbs nobody.
 * The launcher starts it, hears of its end by SIGCHLD, starts it again, and takes it along when it ends itself.  The
 * slot in shared memory is for tsdb.worker_status only.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "pg/guc.h"
#include "pg/worker/worker_internal.h"

#define PROGRAM "pgtsdb-gateway"
#define MAX_OPTIONS 64
#define RESTART_MAX_MS (30 * 1000)
/* One that lived this long was well, and is started again at once. */
#define HEALTHY_MS 5000
/* What does not end when asked is killed. */
#define STOP_LIMIT_MS 20000

/* How it is started.  All in one context. */
typedef struct GatewayCommand
{
	MemoryContext context;
	char	   *path;
	char	   *argv[MAX_OPTIONS + 2];
	char	   *envp[8];
	char	   *text;			/* all of it, to tell whether it has changed */
} GatewayCommand;

static pid_t child = 0;
static GatewayCommand *running = NULL;
static TimestampTz asked_to_stop = 0;

static void note_child(SIGNAL_ARGS);
static void take_along(int code, Datum arg);
static PgtsdbWorkerSlot *gateway_slot(bool make);
static void reap(PgtsdbWorkerSlot *slot, TimestampTz now);
static void describe_end(int status, char *text, size_t size);
static void ask_to_stop(TimestampTz now);
static GatewayCommand *make_command(void);
static void split_options(GatewayCommand *command);
static char *default_dsn(void);
static char *socket_directory(void);
static char *first_database(void);
static void append_dsn(StringInfo dsn, const char *name, const char *value);
static void start(PgtsdbWorkerSlot *slot, GatewayCommand *command, TimestampTz now);
pg_noreturn static void become_gateway(const GatewayCommand *command, pid_t parent);
static void close_descriptors(void);
static void set_slot(PgtsdbWorkerSlot *slot, PgtsdbWorkerState state, pid_t pid, TimestampTz now);

void
pgtsdb_gateway_init(void)
{
	pqsignal(SIGCHLD, note_child);
	before_shmem_exit(take_along, (Datum) 0);
}

static void
note_child(SIGNAL_ARGS)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

/* When the launcher dies without coming here, the kernel does the same. */
static void
take_along(int code, Datum arg)
{
	PgtsdbWorkerSlot *slot = gateway_slot(false);

	if (child != 0)
		kill(child, SIGTERM);
	child = 0;
	if (slot != NULL)
		set_slot(slot, PGTSDB_STATE_STOPPED, 0, GetCurrentTimestamp());
}

void
pgtsdb_gateway_tend(void)
{
	bool		wanted = pgtsdb_http_listen[0] != '\0';
	PgtsdbWorkerSlot *slot = gateway_slot(wanted);
	TimestampTz now = GetCurrentTimestamp();
	GatewayCommand *command = NULL;

	if (slot == NULL)
		return;
	reap(slot, now);
	if (wanted)
		command = make_command();
	if (child != 0)
	{
		set_slot(slot, PGTSDB_STATE_IDLE, child, now);
		if (!wanted || strcmp(command->text, running->text) != 0)
			ask_to_stop(now);
	}
	else if (!wanted)
		set_slot(slot, PGTSDB_STATE_FREE, 0, now);
	else if (slot->restart_at <= now)
	{
		start(slot, command, now);
		return;
	}
	if (command != NULL)
		MemoryContextDelete(command->context);
}

/* Its slot; a free one when it has none and shall have one. */
static PgtsdbWorkerSlot *
gateway_slot(bool make)
{
	PgtsdbWorkerSlot *found = NULL;

	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	for (int i = PGTSDB_LAUNCHER_SLOT + 1; i < PGTSDB_MAX_WORKERS && found == NULL; i++)
	{
		PgtsdbWorkerSlot *slot = &pgtsdb_worker_shared->workers[i];

		if (slot->state != PGTSDB_STATE_FREE && slot->kind == PGTSDB_WORKER_GATEWAY)
			found = slot;
	}
	for (int i = PGTSDB_LAUNCHER_SLOT + 1; make && i < PGTSDB_MAX_WORKERS && found == NULL; i++)
	{
		PgtsdbWorkerSlot *slot = &pgtsdb_worker_shared->workers[i];

		if (slot->state != PGTSDB_STATE_FREE)
			continue;
		memset(slot, 0, sizeof(*slot));
		slot->kind = PGTSDB_WORKER_GATEWAY;
		slot->state = PGTSDB_STATE_STOPPED;
		slot->restart_at = 1;
		found = slot;
	}
	LWLockRelease(pgtsdb_worker_shared->lock);
	return found;
}

/* ---- the end ---- */

static void
reap(PgtsdbWorkerSlot *slot, TimestampTz now)
{
	bool		was_asked = asked_to_stop != 0;
	bool		was_well;
	char		text[64];
	int			status;

	if (child == 0 || waitpid(child, &status, WNOHANG) != child)
		return;
	child = 0;
	asked_to_stop = 0;
	MemoryContextDelete(running->context);
	running = NULL;
	describe_end(status, text, sizeof(text));
	ereport(LOG,
			(errmsg("pgtsdb gateway ended: %s", text)));
	if (!was_asked)
		pgtsdb_worker_count_error(slot, text);

	was_well = was_asked || TimestampDifferenceExceeds(slot->started_at, now, HEALTHY_MS);
	set_slot(slot, PGTSDB_STATE_STOPPED, 0, now);
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	slot->failures = was_well ? 0 : slot->failures + 1;
	slot->restart_at = was_well ? 1 :
		TimestampTzPlusMilliseconds(now, pgtsdb_backoff_ms(slot->failures - 1, pgtsdb_worker_restart_interval, RESTART_MAX_MS));
	LWLockRelease(pgtsdb_worker_shared->lock);
}

static void
describe_end(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "exit code %d", WEXITSTATUS(status));
}

static void
ask_to_stop(TimestampTz now)
{
	if (asked_to_stop == 0)
	{
		asked_to_stop = now;
		kill(child, SIGTERM);
	}
	else if (TimestampDifferenceExceeds(asked_to_stop, now, STOP_LIMIT_MS))
		kill(child, SIGKILL);
}

/* ---- the command ---- */

/* The connection string is in the environment, since everybody can see the arguments of a process. */
static GatewayCommand *
make_command(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pgtsdb gateway command", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	GatewayCommand *command = palloc0_object(GatewayCommand);
	StringInfoData text;
	int			n = 0;

	command->context = context;
	command->path = pstrdup(my_exec_path);
	get_parent_directory(command->path);
	command->path = psprintf("%s/%s", command->path, PROGRAM);
	split_options(command);
	command->envp[n++] = psprintf("PGTSDB_GATEWAY_LISTEN=%s", pgtsdb_http_listen);
	command->envp[n++] = psprintf("PGTSDB_GATEWAY_READ_DSN=%s", pgtsdb_http_dsn[0] != '\0' ? pgtsdb_http_dsn : default_dsn());
	command->envp[n++] = psprintf("PGTSDB_GATEWAY_ROLE_FOR_ANONYMOUS=%s", pgtsdb_http_anonymous_role);
	command->envp[n++] = "PATH=/usr/bin:/bin";
	command->envp[n++] = "LC_ALL=C";

	initStringInfo(&text);
	for (int i = 0; command->argv[i] != NULL; i++)
		appendStringInfo(&text, "%s\n", command->argv[i]);
	for (int i = 0; command->envp[i] != NULL; i++)
		appendStringInfo(&text, "%s\n", command->envp[i]);
	command->text = text.data;
	MemoryContextSwitchTo(old);
	return command;
}

/* Words between spaces: no value of an option needs one. */
static void
split_options(GatewayCommand *command)
{
	char	   *rest = pstrdup(pgtsdb_http_options);
	char	   *word;
	int			n = 0;

	command->argv[n++] = PROGRAM;
	while ((word = strsep(&rest, " \t\n")) != NULL && n <= MAX_OPTIONS)
		if (*word != '\0')
			command->argv[n++] = word;
}

static char *
default_dsn(void)
{
	char	   *directory = socket_directory();
	StringInfoData dsn;

	initStringInfo(&dsn);
	append_dsn(&dsn, "host", directory != NULL ? directory : "127.0.0.1");
	append_dsn(&dsn, "port", psprintf("%d", PostPortNumber));
	append_dsn(&dsn, "user", "pgtsdb_gateway");
	append_dsn(&dsn, "dbname", first_database());
	return dsn.data;
}

static char *
socket_directory(void)
{
	char	   *setting = pstrdup(GetConfigOption("unix_socket_directories", false, false));
	List	   *directories;

	if (!SplitDirectoriesString(setting, ',', &directories) || directories == NIL || *(char *) linitial(directories) != '/')
		return NULL;
	return linitial(directories);
}

static char *
first_database(void)
{
	List	   *names;

	if (!SplitIdentifierString(pstrdup(pgtsdb_databases), ',', &names) || names == NIL)
		return "postgres";
	return linitial(names);
}

static void
append_dsn(StringInfo dsn, const char *name, const char *value)
{
	appendStringInfo(dsn, "%s='", name);
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(dsn, '\\');
		appendStringInfoChar(dsn, *value);
	}
	appendStringInfoString(dsn, "' ");
}

/* ---- the start ---- */

static void
start(PgtsdbWorkerSlot *slot, GatewayCommand *command, TimestampTz now)
{
	pid_t		parent = MyProcPid;
	pid_t		pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_gateway(command, parent);
	if (pid < 0)
	{
		ereport(LOG,
				(errmsg("could not fork the pgtsdb gateway: %m")));
		MemoryContextDelete(command->context);
		LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
		slot->restart_at = TimestampTzPlusMilliseconds(now, pgtsdb_worker_restart_interval);
		LWLockRelease(pgtsdb_worker_shared->lock);
		return;
	}
	child = pid;
	running = command;
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	slot->started_at = now;
	LWLockRelease(pgtsdb_worker_shared->lock);
	set_slot(slot, PGTSDB_STATE_IDLE, pid, now);
	ereport(LOG,
			(errmsg("pgtsdb gateway started, process %d", (int) pid)));
}

/*
 * Between fork and exec: nothing that is not safe in a signal handler, nothing that would run an exit callback of
 * the server.  A session of its own, because a cancel of the launcher goes to its whole process group.
 */
static void
become_gateway(const GatewayCommand *command, pid_t parent)
{
	sigset_t	none;

	setsid();
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
	if (getppid() != parent)
		_exit(1);
	close_descriptors();
	execve(command->path, command->argv, command->envp);
	_exit(127);
}

/* All but standard output and error, which lead to the server's log. */
static void
close_descriptors(void)
{
	int			null = open("/dev/null", O_RDONLY);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3, ~0U, 0) == 0)
		return;
#endif
	for (long fd = sysconf(_SC_OPEN_MAX) - 1; fd >= 3; fd--)
		close((int) fd);
}

static void
set_slot(PgtsdbWorkerSlot *slot, PgtsdbWorkerState state, pid_t pid, TimestampTz now)
{
	LWLockAcquire(pgtsdb_worker_shared->lock, LW_EXCLUSIVE);
	if (state == PGTSDB_STATE_STOPPED)
	{
		slot->stopped_at = now;
		slot->restart_at = 1;
	}
	else
		slot->last_heartbeat = now;
	slot->state = state;
	slot->pid = pid;
	LWLockRelease(pgtsdb_worker_shared->lock);
}
