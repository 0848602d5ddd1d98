/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-compare.h"

/* Most values of two versions of a row are the same object. */
static bool field_equal(const ClassState *class, size_t i, const Row *a, const Row *b)
{
        Value x = row_values(a)[i], y = row_values(b)[i];
        return x.i == y.i || value_equal(class->class->fields[i].type, x, y);
}

bool row_equal(const ClassState *class, const Row *a, const Row *b)
{
        for (size_t i = 0; i < class->class->n_fields; i++)
                if (!field_equal(class, i, a, b))
                        return false;
        return true;
}

bool row_differs_durably(const ClassState *class, const Row *a, const Row *b)
{
        for (size_t i = 0; i < class->class->n_fields; i++)
                if (class->kinds[i] != FIELD_VOLATILE && !field_equal(class, i, a, b))
                        return true;
        return false;
}
