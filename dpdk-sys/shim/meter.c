#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "meter.h"

/* Packets of a window: some tens of microseconds, short against what disturbs a shared machine. */
#define WINDOW_PACKETS 8192
#define WINDOWS_MAX 8192
#define IN_FLIGHT_MAX 8192
#define PORTS_MAX 8

/* A queue of buffers under way. */
struct ring {
	struct rte_mbuf *slots[IN_FLIGHT_MAX];
	uint32_t start;
	uint32_t count;
};

/* A stopwatch; one for each source, used by the thread that polls it and its sinks. */
struct watch {
	uint64_t left_at;
	uint64_t router;
	uint64_t pool;
	uint64_t packets;
	uint64_t frames_out;
	uint64_t frames_in;
	uint64_t frames_odd;
	uint32_t window_count;
	struct kumiki_meter_window windows[WINDOWS_MAX];
};

/* A port whose driver is replaced. */
struct metered {
	uint16_t port;
	struct rte_mempool *pool;
	struct kumiki_meter_frames frames;
	const uint8_t *destinations;
	uint32_t next_destination;
	struct ring rx;
	struct ring tx;
	/* Of a source; NULL for sinks. */
	struct watch *watch;
	/* What the driver put there. */
	eth_rx_burst_t driver_rx;
	eth_tx_burst_t driver_tx;
	void *driver_rx_queue;
	void *driver_tx_queue;
};

static struct metered *metered[PORTS_MAX];

/* The stopwatch of the source that this thread polled last. */
static __thread struct watch *watch;

static inline uint64_t enter(void)
{
	uint64_t now = rte_rdtsc_precise();

	if (watch != NULL && watch->left_at != 0)
		watch->router += now - watch->left_at;
	return now;
}

static inline void leave(void)
{
	if (watch != NULL)
		watch->left_at = rte_rdtsc_precise();
}

static inline struct rte_mbuf *ring_swap(struct ring *ring, uint32_t capacity,
					 struct rte_mbuf *packet)
{
	struct rte_mbuf *oldest = NULL;
	uint32_t place = (ring->start + ring->count) & (capacity - 1);

	if (ring->count == capacity) {
		oldest = ring->slots[ring->start];
		ring->start = (ring->start + 1) & (capacity - 1);
	} else {
		ring->count++;
	}
	ring->slots[place] = packet;
	return oldest;
}

/* A device writes frames into the last cache, not into the first. Processors that do not know the
 * instruction (CLDEMOTE) take it for one that does nothing. */
static inline void demote(const void *line)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x0f, 0x1c, 0x06" : : "S"(line));
#else
	(void)line;
#endif
}

static inline void write_frame(struct metered *self, struct rte_mbuf *packet)
{
	const struct kumiki_meter_frames *frames = &self->frames;
	uint8_t *data = rte_pktmbuf_mtod(packet, uint8_t *);
	const uint8_t *to = self->destinations + (size_t)self->next_destination * 16;

	if (++self->next_destination == frames->destination_count)
		self->next_destination = 0;
	memcpy(data, frames->header, frames->header_octets);
	memcpy(data + frames->destination_offset, to, 16);
	packet->data_len = frames->frame_octets;
	packet->pkt_len = frames->frame_octets;
	packet->port = self->port;
	demote(data);
	demote(data + 64);
}

static void end_window(void)
{
	struct kumiki_meter_window *window = &watch->windows[watch->window_count++ % WINDOWS_MAX];

	window->router = (float)watch->router / (float)watch->packets;
	window->pool = (float)watch->pool / (float)watch->packets;
	watch->router = 0;
	watch->pool = 0;
	watch->packets = 0;
}

static uint16_t meter_rx(void *queue, struct rte_mbuf **packets, uint16_t count)
{
	struct metered *self = queue;
	uint64_t start = enter();
	uint64_t allocated;

	if (self->watch != NULL)
		watch = self->watch;
	if (self->frames.destination_count == 0 ||
	    rte_pktmbuf_alloc_bulk(self->pool, packets, count) != 0) {
		leave();
		return 0;
	}
	allocated = rte_rdtsc_precise();
	for (uint16_t place = 0; place < count; place++)
		packets[place] = ring_swap(&self->rx, self->frames.in_flight, packets[place]);
	for (uint16_t place = 0; place < count; place++)
		write_frame(self, packets[place]);
	watch->pool += allocated - start;
	watch->packets += count;
	watch->frames_out += count;
	if (watch->packets >= WINDOW_PACKETS)
		end_window();
	leave();
	return count;
}

static inline void check(const struct metered *self, struct rte_mbuf *packet)
{
	const uint8_t *data = rte_pktmbuf_mtod(packet, const uint8_t *);

	/* The hop limit is the octet before the addresses. */
	if (self->frames.destination_offset >= 17 &&
	    data[self->frames.destination_offset - 17] + 1 !=
		    self->frames.header[self->frames.destination_offset - 17])
		watch->frames_odd++;
}

static uint16_t meter_tx(void *queue, struct rte_mbuf **packets, uint16_t count)
{
	struct metered *self = queue;
	struct rte_mbuf *oldest[64];
	uint64_t start;
	uint16_t place = 0;

	enter();
	if (watch == NULL) {
		rte_pktmbuf_free_bulk(packets, count);
		return count;
	}
	watch->frames_in += count;
	for (uint16_t seen = 0; seen < count; seen++)
		check(self, packets[seen]);
	while (place < count) {
		unsigned int found = 0;

		for (; place < count && found < RTE_DIM(oldest); place++) {
			struct rte_mbuf *old =
				ring_swap(&self->tx, self->frames.in_flight, packets[place]);

			if (old != NULL)
				oldest[found++] = old;
		}
		start = rte_rdtsc_precise();
		rte_pktmbuf_free_bulk(oldest, found);
		watch->pool += rte_rdtsc_precise() - start;
	}
	leave();
	return count;
}

static void ring_free(struct ring *ring, uint32_t capacity)
{
	for (uint32_t place = 0; place < ring->count; place++)
		rte_pktmbuf_free(ring->slots[(ring->start + place) & (capacity - 1)]);
	ring->count = 0;
}

int kumiki_meter_attach(uint16_t port, struct rte_mempool *pool,
			const struct kumiki_meter_frames *frames, const uint8_t *destinations)
{
	struct metered *self;

	if (port >= PORTS_MAX || frames->in_flight == 0 || frames->in_flight > IN_FLIGHT_MAX ||
	    (frames->in_flight & (frames->in_flight - 1)) != 0 ||
	    frames->header_octets > KUMIKI_METER_HEADER_MAX ||
	    frames->destination_offset + 16 > frames->header_octets ||
	    frames->frame_octets < frames->header_octets ||
	    frames->frame_octets > rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM)
		return -EINVAL;
	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return -ENOMEM;
	self->pool = pool;
	self->port = port;
	self->frames = *frames;
	self->destinations = destinations;
	for (uint32_t place = 0; frames->destination_count > 0 && place < frames->in_flight;
	     place++) {
		struct rte_mbuf *packet = rte_pktmbuf_alloc(pool);

		if (packet == NULL)
			break;
		ring_swap(&self->rx, frames->in_flight, packet);
	}
	if (frames->destination_count > 0 && self->rx.count < frames->in_flight) {
		ring_free(&self->rx, frames->in_flight);
		free(self);
		return -ENOBUFS;
	}
	if (frames->destination_count > 0) {
		self->watch = calloc(1, sizeof(*self->watch));
		if (self->watch == NULL) {
			ring_free(&self->rx, frames->in_flight);
			free(self);
			return -ENOMEM;
		}
	}
	metered[port] = self;
	self->driver_rx = rte_eth_fp_ops[port].rx_pkt_burst;
	self->driver_tx = rte_eth_fp_ops[port].tx_pkt_burst;
	self->driver_rx_queue = rte_eth_fp_ops[port].rxq.data[0];
	self->driver_tx_queue = rte_eth_fp_ops[port].txq.data[0];
	rte_eth_fp_ops[port].rxq.data[0] = self;
	rte_eth_fp_ops[port].txq.data[0] = self;
	rte_eth_fp_ops[port].rx_pkt_burst = meter_rx;
	rte_eth_fp_ops[port].tx_pkt_burst = meter_tx;
	return 0;
}

void kumiki_meter_detach(uint16_t port)
{
	if (port >= PORTS_MAX || metered[port] == NULL)
		return;
	rte_eth_fp_ops[port].rx_pkt_burst = metered[port]->driver_rx;
	rte_eth_fp_ops[port].tx_pkt_burst = metered[port]->driver_tx;
	rte_eth_fp_ops[port].rxq.data[0] = metered[port]->driver_rx_queue;
	rte_eth_fp_ops[port].txq.data[0] = metered[port]->driver_tx_queue;
	ring_free(&metered[port]->rx, metered[port]->frames.in_flight);
	ring_free(&metered[port]->tx, metered[port]->frames.in_flight);
	if (watch == metered[port]->watch)
		watch = NULL;
	free(metered[port]->watch);
	free(metered[port]);
	metered[port] = NULL;
}

static const struct watch *watch_of(uint16_t port)
{
	return port < PORTS_MAX && metered[port] != NULL ? metered[port]->watch : NULL;
}

uint32_t kumiki_meter_windows(uint16_t port, struct kumiki_meter_window *windows, uint32_t count)
{
	const struct watch *own = watch_of(port);
	uint32_t kept = own == NULL ? 0 : RTE_MIN(own->window_count, (uint32_t)WINDOWS_MAX);
	uint32_t copied = RTE_MIN(kept, count);

	for (uint32_t place = 0; place < copied; place++)
		windows[place] =
			own->windows[(own->window_count - copied + place) % WINDOWS_MAX];
	return kept;
}

int kumiki_meter_counts(uint16_t port, struct kumiki_meter_counts *counts)
{
	const struct watch *own = watch_of(port);

	if (own == NULL)
		return -ENODEV;
	counts->out = own->frames_out;
	counts->in = own->frames_in;
	counts->odd = own->frames_odd;
	return 0;
}
