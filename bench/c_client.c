/* Publishes the messages of a file with js_PublishAsync of libnats, as fast as it goes.
 *
 * usage: c_client URL FILE      FILE: a count, then per message: subject, id and payload, a line each
 *
 * Prints the seconds and the CPU seconds from connecting to the last acknowledgement, and how many
 * messages were refused.
 */

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define IN_FLIGHT 4000  /* as many as the window of the Python publisher */
#define LINE_BYTES 4096

static long refused = 0;

static void
on_refusal(jsCtx *js, jsPubAckErr *error, void *closure)
{
    (void) js;
    (void) error;
    (void) closure;
    refused++;
}

static void
check(natsStatus status, const char *what)
{
    if (status != NATS_OK)
    {
        fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
        exit(1);
    }
}

static double
seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double
cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
           + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static char *
next_line(FILE *file)
{
    char line[LINE_BYTES];

    if (fgets(line, sizeof line, file) == NULL)
    {
        fprintf(stderr, "the file ends too early\n");
        exit(1);
    }
    line[strcspn(line, "\n")] = '\0';
    return strdup(line);
}

int
main(int argc, char **argv)
{
    if (argc != 3)
    {
        fprintf(stderr, "usage: %s URL FILE\n", argv[0]);
        return 2;
    }

    FILE *file = fopen(argv[2], "r");
    if (file == NULL)
    {
        perror(argv[2]);
        return 1;
    }
    char *first = next_line(file);
    long count = strtol(first, NULL, 10);
    char **lines = calloc((size_t) count * 3, sizeof *lines);
    for (long i = 0; i < count * 3; i++)
        lines[i] = next_line(file);
    fclose(file);
    free(first);

    double start = seconds_now(), cpu = cpu_seconds();
    natsConnection *connection = NULL;
    jsCtx *js = NULL;
    jsOptions options;

    check(natsConnection_ConnectTo(&connection, argv[1]), "connect");
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = IN_FLIGHT;
    options.PublishAsync.StallWait = 30000;
    options.PublishAsync.ErrHandler = on_refusal;
    check(natsConnection_JetStream(&js, connection, &options), "JetStream");
    for (long i = 0; i < count; i++)
    {
        jsPubOptions message;

        jsPubOptions_Init(&message);
        message.MsgId = lines[3 * i + 1];
        check(js_PublishAsync(js, lines[3 * i], lines[3 * i + 2],
                              (int) strlen(lines[3 * i + 2]), &message),
              "publish");
    }
    jsPubOptions complete;
    jsPubOptions_Init(&complete);
    complete.MaxWait = 60000;
    check(js_PublishAsyncComplete(js, &complete), "acknowledgements");

    printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"refused\": %ld}\n", seconds_now() - start,
           cpu_seconds() - cpu, refused);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    nats_Close();
    for (long i = 0; i < count * 3; i++)
        free(lines[i]);
    free(lines);
    return refused > 0;
}
