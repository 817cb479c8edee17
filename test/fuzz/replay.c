/*
 * replay.c
 *		Feeds files to a fuzz target: a main() for any compiler.
 *
 * Each argument is a file or a folder of files.  Every input is copied to a
 * block of exactly its size, so that AddressSanitizer sees a read past its end;
 * a target that finds something wrong aborts.  No input at all is a failure:
 * a format without seeds would be tested by nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fail(const char *path)
{
	perror(path);
	exit(EXIT_FAILURE);
}

static int
replay_file(const char *path, size_t size)
{
	FILE	   *file = fopen(path, "rb");
	uint8_t    *data = malloc(size == 0 ? 1 : size);

	if (file == NULL || data == NULL || fread(data, 1, size, file) != size)
		fail(path);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

static int
replay(const char *path)
{
	struct stat status;
	DIR		   *folder;
	struct dirent *entry;
	int			inputs = 0;

	if (stat(path, &status) != 0)
		fail(path);
	if (!S_ISDIR(status.st_mode))
		return replay_file(path, (size_t) status.st_size);

	folder = opendir(path);
	if (folder == NULL)
		fail(path);
	while ((entry = readdir(folder)) != NULL)
	{
		char		child[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		inputs += replay(child);
	}
	closedir(folder);
	return inputs;
}

int
main(int argc, char **argv)
{
	int			inputs = 0;

	for (int i = 1; i < argc; i++)
		inputs += replay(argv[i]);
	printf("%s: %d passed, %d failed\n", strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], inputs, inputs == 0);
	return inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
