/* What bindgen reads: the DPDK headers whose plain functions are bound, and the shim. */
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include "shim.h"
#include "tables.h"
#include "meter.h"
