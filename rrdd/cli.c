/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "idl/bus/rrd.h"
#include "idl/runtime/bus-cli.h"

int main(int argc, char **argv)
{
        return bus_cli_main(&rrd_interface, argc, argv);
}
