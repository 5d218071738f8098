/*
 * The meter in somebody else's router: a library to be loaded before it.
 *
 * Takes the place of rte_eth_rx_queue_setup, to learn the pool, and of rte_eth_dev_start. The
 * ports that start get the meter that the file named by KUMIKI_METER_FRAMES describes, the first
 * as source and the others as sinks; at the end the windows are written to the file named by
 * KUMIKI_METER_RESULT, a line "router pool" each.
 *
 * The file: struct kumiki_meter_frames, then the destinations.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meter.h"

static struct kumiki_meter_frames frames;
static uint8_t *destinations;
static struct rte_mempool *pool;
static int port_count;
static uint16_t source;

static int read_frames(void)
{
	const char *path = getenv("KUMIKI_METER_FRAMES");
	FILE *file = path == NULL ? NULL : fopen(path, "rb");
	int error = -EINVAL;

	if (file == NULL)
		return -ENOENT;
	if (fread(&frames, sizeof(frames), 1, file) == 1) {
		destinations = calloc(frames.destination_count, 16);
		if (destinations != NULL && fread(destinations, 16, frames.destination_count, file) ==
						    frames.destination_count)
			error = 0;
	}
	fclose(file);
	return error;
}

int rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors,
			   unsigned int socket, const void *options, struct rte_mempool *wanted)
{
	int (*setup)(uint16_t, uint16_t, uint16_t, unsigned int, const void *,
		     struct rte_mempool *) = dlsym(RTLD_NEXT, "rte_eth_rx_queue_setup");

	pool = wanted;
	return setup == NULL ? -ENOSYS : setup(port, queue, descriptors, socket, options, wanted);
}

int rte_eth_dev_start(uint16_t port)
{
	int (*start)(uint16_t) = dlsym(RTLD_NEXT, "rte_eth_dev_start");
	struct kumiki_meter_frames sink;
	int error = start == NULL ? -ENOSYS : start(port);

	if (error != 0)
		return error;
	if (port_count == 0) {
		source = port;
		error = read_frames();
	}
	sink = frames;
	sink.destination_count = 0;
	if (error == 0)
		error = kumiki_meter_attach(port, pool, port_count == 0 ? &frames : &sink,
					    destinations);
	if (error != 0)
		fprintf(stderr, "meter: port %u: %s\n", port, strerror(-error));
	port_count++;
	return error;
}

static struct kumiki_meter_window windows[8192];

__attribute__((destructor)) static void write_result(void)
{
	const char *path = getenv("KUMIKI_METER_RESULT");
	uint32_t count = kumiki_meter_windows(source, windows, 8192);
	FILE *file = path == NULL ? NULL : fopen(path, "w");

	if (file == NULL)
		return;
	for (uint32_t place = 0; place < count && place < 8192; place++)
		fprintf(file, "%.2f %.2f\n", windows[place].router, windows[place].pool);
	fclose(file);
}
