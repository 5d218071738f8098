/*
 * A meter: generator, sink and stopwatch in place of a started port's driver.
 *
 * Time that the polling thread spends outside the two functions of the port is the router's own
 * cost; allocating and freeing buffers is booked apart; writing frames is no cost of the router. So
 * the cost of any DPDK router can be had on one core, whatever the generator costs.
 */
#ifndef KUMIKI_METER_H
#define KUMIKI_METER_H

#include <stdint.h>

struct rte_mempool;

/* Octets of a frame that the meter writes; what is behind them stays as the buffer had it. */
#define KUMIKI_METER_HEADER_MAX 128

struct kumiki_meter_frames {
	/* The first octets of every frame; the IPv6 destination is written over them. */
	uint8_t header[KUMIKI_METER_HEADER_MAX];
	uint16_t header_octets;
	/* Where the 16 octets of the destination stand. */
	uint16_t destination_offset;
	/* Length of a frame, without its checksum. */
	uint16_t frame_octets;
	/* Buffers under way in each direction, as in the rings of a device; a power of two. */
	uint16_t in_flight;
	uint32_t destination_count;
};

/* Cycles for each packet of one window. */
struct kumiki_meter_window {
	float router;
	float pool;
};

/*
 * Takes the place of the driver of a started port with one queue pair. A port without destinations
 * only swallows what it is given. `destinations` are 16 octets each and must stay, `pool` is where
 * frames come from. Returns 0 or a negative errno.
 */
int kumiki_meter_attach(uint16_t port, struct rte_mempool *pool,
			const struct kumiki_meter_frames *frames, const uint8_t *destinations);

/* Gives the port back to its driver, frees what is in flight and forgets the windows. */
void kumiki_meter_detach(uint16_t port);

/* Copies up to `count` of the newest windows of a source; returns how many there are. */
uint32_t kumiki_meter_windows(uint16_t port, struct kumiki_meter_window *windows, uint32_t count);

/* Frames that a source handed out, that its thread's ports swallowed, and those of them whose hop
 * limit was not one less than before. */
struct kumiki_meter_counts {
	uint64_t out;
	uint64_t in;
	uint64_t odd;
};

/* Returns 0, or a negative errno where the port is no source. */
int kumiki_meter_counts(uint16_t port, struct kumiki_meter_counts *counts);

#endif
