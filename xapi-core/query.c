/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "query.h"

#include "codec.h"

/* What upstream's generated lexer and parser raise. */
#define QUERY_LEX_ERROR   "Failure(\"lexing: empty token\")"
#define QUERY_PARSE_ERROR "Stdlib.Parsing.Parse_error"

#define QUERY_QUOTE_MAX 200 /* bytes of a text that is too long that its error repeats */

typedef enum Token {
        TOKEN_END,
        TOKEN_EQ,
        TOKEN_OPEN,
        TOKEN_CLOSE,
        TOKEN_TRUE,
        TOKEN_FALSE,
        TOKEN_FIELD,
        TOKEN_AND,
        TOKEN_OR,
        TOKEN_NOT,
        TOKEN_STRING,
        TOKEN_BAD,
} Token;

typedef struct Operand {
        char *text; /* the literal, or the field's name */
        bool is_field;
        bool is_ref;        /* the field "ref" */
        const Field *field; /* NULL: the class has none of that name */
} Operand;

typedef enum NodeKind { NODE_CONSTANT, NODE_EQUAL, NODE_NOT, NODE_CHAIN } NodeKind;

/* Chains are lists, not trees: what a client writes in a row must not become depth. */
typedef struct Node {
        NodeKind kind;
        bool value;         /* NODE_CONSTANT */
        Operand a, b;       /* NODE_EQUAL */
        struct Node *child; /* NODE_NOT; NODE_CHAIN: the first */
        struct Node *next;  /* in a chain */
        bool next_by_and;   /* else `or` */
} Node;

struct Query {
        const Class *class;
        Node *root;
};

typedef struct Parser {
        const Class *class;
        const char *at;
        Token token;        /* the one looked at */
        const char *string; /* TOKEN_STRING: within the quotes */
        size_t string_len;
        size_t depth;
        const char *why; /* of the failure */
} Parser;

static void parser_take_string(Parser *parser)
{
        const char *end = strchr(parser->at + 1, '"');
        if (end == NULL) {
                parser->token = TOKEN_BAD;
                return;
        }
        parser->token = TOKEN_STRING;
        parser->string = parser->at + 1;
        parser->string_len = (size_t)(end - parser->string);
        parser->at = end + 1;
}

static void parser_advance(Parser *parser)
{
        static const struct {
                const char *text;
                Token token;
        } WORDS[] = {
                { "=", TOKEN_EQ },      { "(", TOKEN_OPEN },      { ")", TOKEN_CLOSE },
                { "true", TOKEN_TRUE }, { "false", TOKEN_FALSE }, { "field", TOKEN_FIELD },
                { "and", TOKEN_AND },   { "or", TOKEN_OR },       { "not", TOKEN_NOT },
        };
        parser->at += strspn(parser->at, " \t\n");
        if (*parser->at == '\0') {
                parser->token = TOKEN_END;
                return;
        }
        if (*parser->at == '"') {
                parser_take_string(parser);
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(WORDS); i++) {
                if (g_str_has_prefix(parser->at, WORDS[i].text)) {
                        parser->token = WORDS[i].token;
                        parser->at += strlen(WORDS[i].text);
                        return;
                }
        }
        parser->token = TOKEN_BAD;
}

static Node *parser_fail(Parser *parser)
{
        if (parser->why == NULL)
                parser->why = parser->token == TOKEN_BAD ? QUERY_LEX_ERROR : QUERY_PARSE_ERROR;
        return NULL;
}

static void node_free(Node *node)
{
        while (node != NULL) {
                Node *next = node->next;
                node_free(node->child);
                g_free(node->a.text);
                g_free(node->b.text);
                g_free(node);
                node = next;
        }
}

static const Field *field_of_database(const Class *class, const char *name)
{
        for (size_t i = 0; i < class->n_fields; i++)
                if (strcmp(class->fields[i].db_name, name) == 0)
                        return &class->fields[i];
        return NULL;
}

static bool parse_operand(Parser *parser, Operand *ret)
{
        bool is_field = parser->token == TOKEN_FIELD;
        if (is_field)
                parser_advance(parser);
        if (parser->token != TOKEN_STRING)
                return false;
        *ret = (Operand){ .text = g_strndup(parser->string, parser->string_len), .is_field = is_field };
        if (is_field) {
                ret->is_ref = strcmp(ret->text, "ref") == 0 || strcmp(ret->text, "_ref") == 0;
                ret->field = field_of_database(parser->class, ret->text);
        }
        parser_advance(parser);
        return true;
}

static Node *parse_equality(Parser *parser)
{
        Node *node = g_new0(Node, 1);
        node->kind = NODE_EQUAL;
        bool ok = parse_operand(parser, &node->a) && parser->token == TOKEN_EQ;
        if (ok) {
                parser_advance(parser);
                ok = parse_operand(parser, &node->b);
        }
        if (ok)
                return node;
        node_free(node);
        return parser_fail(parser);
}

static Node *parse_constant(Parser *parser)
{
        Node *node = g_new0(Node, 1);
        node->kind = NODE_CONSTANT;
        node->value = parser->token == TOKEN_TRUE;
        parser_advance(parser);
        return node;
}

static Node *parse_chain(Parser *parser);

static Node *parse_nested(Parser *parser)
{
        if (parser->depth == QUERY_DEPTH_MAX) {
                parser->why = "nested too deeply";
                return parser_fail(parser);
        }
        bool negate = parser->token == TOKEN_NOT;
        parser->depth++;
        parser_advance(parser);
        Node *inner = parse_chain(parser);
        parser->depth--;
        if (inner == NULL)
                return NULL;
        if (negate) {
                Node *node = g_new0(Node, 1);
                node->kind = NODE_NOT;
                node->child = inner;
                return node;
        }
        if (parser->token != TOKEN_CLOSE) {
                node_free(inner);
                return parser_fail(parser);
        }
        parser_advance(parser);
        return inner;
}

static Node *parse_link(Parser *parser)
{
        switch (parser->token) {
        case TOKEN_TRUE:
        case TOKEN_FALSE:
                return parse_constant(parser);
        case TOKEN_OPEN:
        case TOKEN_NOT:
                return parse_nested(parser);
        case TOKEN_FIELD:
        case TOKEN_STRING:
                return parse_equality(parser);
        default:
                return parser_fail(parser);
        }
}

static Node *parse_chain(Parser *parser)
{
        Node *first = parse_link(parser), *last = first;
        while (last != NULL && (parser->token == TOKEN_AND || parser->token == TOKEN_OR)) {
                last->next_by_and = parser->token == TOKEN_AND;
                parser_advance(parser);
                last->next = parse_link(parser);
                last = last->next;
        }
        if (last == NULL) {
                node_free(first);
                return NULL;
        }
        if (first == last)
                return first;
        Node *chain = g_new0(Node, 1);
        chain->kind = NODE_CHAIN;
        chain->child = first;
        return chain;
}

static bool query_fail_length(const char *text, XapiError **error)
{
        g_autofree char *start = g_strndup(text, QUERY_QUOTE_MAX);
        const char *end;
        g_utf8_validate(start, -1, &end);
        start[end - start] = '\0';
        return xapi_fail(error, "INVALID_VALUE", start, "too long", NULL);
}

Query *query_parse(const Class *class, const char *text, XapiError **error)
{
        if (strlen(text) > QUERY_LENGTH_MAX) {
                query_fail_length(text, error);
                return NULL;
        }
        Parser parser = { .class = class, .at = text };
        parser_advance(&parser);
        Node *root = parse_chain(&parser);
        if (root != NULL && parser.token != TOKEN_END) {
                node_free(root);
                root = parser_fail(&parser);
        }
        if (root == NULL) {
                xapi_fail(error, "INVALID_VALUE", text, parser.why, NULL);
                return NULL;
        }
        Query *query = g_new(Query, 1);
        *query = (Query){ .class = class, .root = root };
        return query;
}

void query_free(Query *query)
{
        if (query == NULL)
                return;
        node_free(query->root);
        g_free(query);
}

/* The operand's text, borrowed from it, from the row, or from the buffer. */
static const char *operand_text(const Operand *operand, const Row *row, Buffer *b, XapiError **error)
{
        if (!operand->is_field)
                return operand->text;
        if (operand->is_ref)
                return row->ref;
        if (operand->field == NULL) {
                xapi_fail_internal(error, "%s has no field \"%s\"", row->class->name, operand->text);
                return NULL;
        }
        const Type *type = operand->field->type;
        Value value = row_values(row)[field_index(row->class, operand->field)];
        if (type->kind == TYPE_STRING || type->kind == TYPE_REF)
                return value.s;
        value_write_db(b, type, value);
        return buffer_terminate(b);
}

static bool equality_matches(const Node *node, const Row *row, bool *ret, XapiError **error)
{
        auto_buffer buffer_a = { 0 }, buffer_b = { 0 };
        const char *a = operand_text(&node->a, row, &buffer_a, error);
        const char *b = a == NULL ? NULL : operand_text(&node->b, row, &buffer_b, error);
        if (b == NULL)
                return false;
        *ret = strcmp(a, b) == 0;
        return true;
}

static bool node_matches(const Node *node, const Row *row, bool *ret, XapiError **error);

static bool chain_matches(const Node *first, const Row *row, bool *ret, XapiError **error)
{
        if (!node_matches(first, row, ret, error))
                return false;
        for (const Node *node = first; node->next != NULL; node = node->next) {
                bool decided = node->next_by_and ? !*ret : *ret;
                if (!decided && !node_matches(node->next, row, ret, error))
                        return false;
        }
        return true;
}

static bool node_matches(const Node *node, const Row *row, bool *ret, XapiError **error)
{
        switch (node->kind) {
        case NODE_CONSTANT:
                *ret = node->value;
                return true;
        case NODE_EQUAL:
                return equality_matches(node, row, ret, error);
        case NODE_NOT:
                if (!node_matches(node->child, row, ret, error))
                        return false;
                *ret = !*ret;
                return true;
        case NODE_CHAIN:
                return chain_matches(node->child, row, ret, error);
        }
        g_assert_not_reached();
}

bool query_matches(const Query *query, const Row *row, bool *ret_matches, XapiError **error)
{
        return node_matches(query->root, row, ret_matches, error);
}
