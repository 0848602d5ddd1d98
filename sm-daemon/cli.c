/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "idl/bus/storage.h"
#include "idl/runtime/bus-cli.h"

int main(int argc, char **argv)
{
        return bus_cli_main(&storage_interface, argc, argv);
}
