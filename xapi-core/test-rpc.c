/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include <glib.h>

#include "rpc.h"

typedef struct Case {
        const char *body;
        RpcParse outcome;
        const char *method, *params, *id; /* params as compact JSON; a literal when its bytes are not text */
        RpcDialect dialect;
} Case;

static void assert_case(bool json, const Case *c, const char *body, size_t n)
{
        auto_rpc_request r = { 0 };

        g_test_message("%.100s", c->body);
        g_assert_cmpint(rpc_parse(json, body, n, &r), ==, c->outcome);
        if (c->outcome != RPC_CALL)
                return;
        g_assert_cmpint(r.dialect, ==, c->dialect);
        g_assert_cmpstr(r.method, ==, c->method);
        g_assert_cmpstr(r.id, ==, c->id);
        char *params = json_dumps(r.params, JSON_COMPACT | JSON_ENCODE_ANY);
        g_assert_cmpstr(params, ==, c->params);
        free(params);
}

static void assert_cases(bool json, const Case *cases, size_t n)
{
        for (size_t i = 0; i < n; i++)
                assert_case(json, &cases[i], cases[i].body, strlen(cases[i].body));
}

/* What upstream's xapi was recorded to answer: suite 10_wire, json_malformed, json_ids, json_versions. */
static void test_json(void)
{
#define CALL(id)       "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":[\"s\"],\"id\":" id "}"
#define CALL1(rest)    "{\"method\":\"m\",\"params\":[\"s\"]" rest "}"
#define PARAMS(params) "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":" params ",\"id\":1}"
        static const Case cases[] = {
                { "", RPC_MALFORMED },
                { "{", RPC_MALFORMED },
                { "nonsense", RPC_MALFORMED },
                { "[]", RPC_MALFORMED },
                { "5", RPC_MALFORMED },
                { "{}", RPC_MALFORMED },
                { "{\"jsonrpc\":\"2.0\"}", RPC_MALFORMED },
                { "[" CALL("1") "]", RPC_MALFORMED },
                { CALL("1") " trailing", RPC_MALFORMED },
                { CALL("1") " \r\n", RPC_CALL, "m", "[\"s\"]", "1", RPC_JSON2 },
                { CALL("1,\"id\":2"), RPC_CALL, "m", "[\"s\"]", "1", RPC_JSON2 },
                { "  {  \"id\" : 1 , \"params\" : [ \"s\" , \"t\" ] ,\r\n\t\"method\" : \"m\", \"jsonrpc\" : "
                  "\"2.0\", "
                  "\"extra\": null }",
                  RPC_CALL, "m", "[\"s\",\"t\"]", "1", RPC_JSON2 },
                { PARAMS("[\"caf\\u00e9 \\ud83d\\ude00 \\t\\n\\\\\\\"/\\/\"]"), RPC_CALL, "m",
                  "[\"caf\xc3\xa9 \xf0\x9f\x98\x80 \\t\\n\\\\\\\"//\"]", "1", RPC_JSON2 },
                { PARAMS("[\"bad \\ud83d alone\"]"), RPC_MALFORMED },
                { PARAMS("[\"bad \\ude00 alone\"]"), RPC_MALFORMED },
                { PARAMS("[\"bad \\ud83d\\u0041\"]"), RPC_MALFORMED },
                { PARAMS("[\"bad \\u12g4\"]"), RPC_MALFORMED },
                { PARAMS("[\"bad \\x\"]"), RPC_MALFORMED },
                { PARAMS("[\"a\nb\"]"), RPC_CALL, "m", "[\"a\\nb\"]", "1", RPC_JSON2 },
                { CALL("0"), RPC_CALL, "m", "[\"s\"]", "0", RPC_JSON2 },
                { CALL("-3"), RPC_CALL, "m", "[\"s\"]", "-3", RPC_JSON2 },
                { CALL("99999999999"), RPC_CALL, "m", "[\"s\"]", "99999999999", RPC_JSON2 },
                { CALL("\"abc\""), RPC_CALL, "m", "[\"s\"]", "\"abc\"", RPC_JSON2 },
                { CALL("\"\""), RPC_CALL, "m", "[\"s\"]", "\"\"", RPC_JSON2 },
                { CALL("\"a\\\"b\\u0001\""), RPC_CALL, "m", "[\"s\"]", "\"a\\\"b\\u0001\"", RPC_JSON2 },
                { CALL("null"), RPC_MALFORMED },
                { CALL("1.5"), RPC_MALFORMED },
                { CALL("true"), RPC_MALFORMED },
                { CALL("[]"), RPC_MALFORMED },
                { CALL("{}"), RPC_MALFORMED },
                { CALL1(",\"jsonrpc\":\"2.0\""), RPC_MALFORMED },
                { CALL1(""), RPC_MALFORMED },
                { CALL1(",\"id\":null"), RPC_MALFORMED },
                { CALL1(",\"id\":\"one\""), RPC_CALL, "m", "[\"s\"]", "\"one\"", RPC_JSON1 },
                { CALL1(",\"id\":1,\"jsonrpc\":\"1.0\""), RPC_MALFORMED },
                { CALL1(",\"id\":1,\"jsonrpc\":\"2\""), RPC_MALFORMED },
                { CALL1(",\"id\":1,\"jsonrpc\":\"3.0\""), RPC_MALFORMED },
                { CALL1(",\"id\":1,\"jsonrpc\":2.0"), RPC_MALFORMED },
                { CALL1(",\"id\":1,\"jsonrpc\":2"), RPC_MALFORMED },
                { CALL1(",\"id\":1,\"jsonrpc\":null"), RPC_MALFORMED },
                { "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1}", RPC_CALL, "m", "[]", "1", RPC_JSON2 },
                { PARAMS("null"), RPC_CALL, "m", "[]", "1", RPC_JSON2 },
                { PARAMS("{\"a\":1}"), RPC_CALL, "m", "[{\"a\":1}]", "1", RPC_JSON2 },
                { PARAMS("1"), RPC_MALFORMED },
                { "{\"method\":\"m\",\"id\":1}", RPC_MALFORMED },
                { "{\"method\":\"m\",\"params\":null,\"id\":1}", RPC_MALFORMED },
                { "{\"method\":\"m\",\"params\":{},\"id\":1}", RPC_MALFORMED },
                { "{\"method\":5,\"params\":[],\"id\":1}", RPC_MALFORMED },
                { "{\"method\":\"m\\u0000\",\"params\":[],\"id\":1}", RPC_MALFORMED },
                { "{\"method\":\"m\xff\",\"params\":[],\"id\":1}", RPC_MALFORMED },
                { PARAMS("[9223372036854775807,-9223372036854775808]"), RPC_CALL, "m",
                  "[9223372036854775807,-9223372036854775808]", "1", RPC_JSON2 },
                { PARAMS("[9223372036854775808]"), RPC_MALFORMED },
                { PARAMS("[1e999]"), RPC_MALFORMED },
                { PARAMS("[01]"), RPC_MALFORMED },
                { PARAMS("[1.]"), RPC_MALFORMED },
                { PARAMS("[-]"), RPC_MALFORMED },
                { PARAMS("[.5]"), RPC_MALFORMED },
                { PARAMS("[1,]"), RPC_MALFORMED },
                { PARAMS("[1 2]"), RPC_MALFORMED },
                { PARAMS("[{\"a\"}]"), RPC_MALFORMED },
                { PARAMS("[tru]"), RPC_MALFORMED },
                { PARAMS("[1.5,60.1,-0.25e+2,true,false,null,{\"a\":1,\"a\":2,\"\":[]}]"), RPC_CALL, "m",
                  "[1.5,60.100000000000001,-25.0,true,false,null,{\"a\":1,\"\":[]}]", "1", RPC_JSON2 },
        };

        assert_cases(true, cases, G_N_ELEMENTS(cases));
}

/* Every beginning of a call is malformed, none reads past its end. */
static void test_truncated(void)
{
        static const char json[] = PARAMS("[{\"a\\u00e9\":[1,2.5e1,true,null,\"\\ud83d\\ude00\"]},\"x\"]");
        static const char xml[] =
            "<?xml version=\"1.0\"?><methodCall><methodName>m</methodName><params><param><value><struct>"
            "<member><name>a</name><value><array><data><value>1</value></data></array></value>"
            "</member></struct></value></param></params></methodCall>";

        for (size_t is_json = 0; is_json < 2; is_json++) {
                const char *text = is_json ? json : xml;
                for (size_t n = 0; n <= strlen(text); n++) {
                        auto_rpc_request r = { 0 };
                        g_autofree char *piece = g_memdup2(text, n);
                        g_assert_cmpint(rpc_parse(is_json, n > 0 ? piece : "", n, &r), ==,
                                        n < strlen(text) ? RPC_MALFORMED : RPC_CALL);
                }
        }
}

static void assert_refused(const char *body, size_t n, const char *text)
{
        auto_rpc_request r = { 0 };

        g_assert_cmpint(rpc_parse(true, body, n, &r), ==, RPC_REFUSED);
        g_autofree char *expected = g_strdup_printf("{\"result\":null,\"error\":[\"INVALID_VALUE\","
                                                    "\"Invalid UTF-8 string in parameter\",\"%s\"],\"id\":0}",
                                                    text);
        g_assert_cmpstr(buffer_terminate(&r.refusal), ==, expected);
}

static void test_json_refused(void)
{
#define REFUSED(params, text) assert_refused(PARAMS(params), sizeof(PARAMS(params)) - 1, text)
        REFUSED("[\"fine\",\"\\u0000\\u0001\"]", "S(\\u0000\\u0001)");
        REFUSED("[\"a\xff"
                "b\"]",
                "S(a\xef\xbf\xbd"
                "b)");
        REFUSED("[\"cut \xc3\"]", "S(cut \xef\xbf\xbd)");
        REFUSED("[\"\xed\xa0\x80\"]", "S(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd)");
        REFUSED("[[1,-2.5,true,null,{\"k\":\"\\u0007\"}]]", "[I(1);F(-2.5);B(true);N;{k:S(\\u0007)}]");
        REFUSED("{\"k\\u0000\\\"\":1}", "{k\\u0000\\\":I(1)}");
#undef REFUSED
}

#define XML(params)  "<methodCall><methodName>m</methodName>" params "</methodCall>"
#define VALUE(value) XML("<params><param>" value "</param></params>")

/* Suite 10_wire, xml_malformed and xml_scalars. */
static void test_xml(void)
{
        static const Case cases[] = {
                { "", RPC_MALFORMED },
                { "<", RPC_MALFORMED },
                { "nonsense", RPC_MALFORMED },
                { "<a/>", RPC_MALFORMED },
                { "<methodCall/>", RPC_MALFORMED },
                { "<methodCall></methodCall>", RPC_MALFORMED },
                { XML(""), RPC_MALFORMED },
                { XML("<params/>"), RPC_CALL, "m", "[]", NULL, RPC_XML },
                { "<methodResponse/>", RPC_MALFORMED },
                { "<methodCall><methodName/></methodCall>", RPC_MALFORMED },
                { "<methodCall><methodName/><params/></methodCall>", RPC_MALFORMED },
                { "<?xml version='1.0'?>\n<!-- comment -->\n<methodCall>\n  <methodName>m</methodName>\n  "
                  "<params>\n"
                  "    <param><value><string>s</string></value></param>\n"
                  "    <param> <value> <string>t</string> </value> </param>\n  </params>\n</methodCall>",
                  RPC_CALL, "m", "[\"s\",\"t\"]", NULL, RPC_XML },
                { VALUE("<value><![CDATA[no <such> vm]]></value>"), RPC_CALL, "m", "[\"no <such> vm\"]", NULL,
                  RPC_XML },
                { VALUE("<value>&lt;a&gt; &amp; &#65; &quot;</value>"), RPC_CALL, "m", "[\"<a> & A \\\"\"]",
                  NULL, RPC_XML },
                { VALUE("<value><wrong>1</wrong></value>"), RPC_MALFORMED },
                { VALUE("<value></value>"), RPC_CALL, "m", "[\"\"]", NULL, RPC_XML },
                { VALUE("<value/>"), RPC_CALL, "m", "[\"\"]", NULL, RPC_XML },
                { VALUE("<value><nil/></value>"), RPC_CALL, "m", "[null]", NULL, RPC_XML },
                { VALUE("<value>s</value>") " trailing", RPC_CALL, "m", "[\"s\"]", NULL, RPC_XML },
                { "<!DOCTYPE a [<!ENTITY b \"c\">]>" VALUE("<value>&b;</value>"), RPC_MALFORMED },
                { "<!DOCTYPE a>" VALUE("<value>b</value>"), RPC_MALFORMED },
                { VALUE("<value>&b;</value>"), RPC_MALFORMED },
                { VALUE("<value> </value>"), RPC_CALL, "m", "[\" \"]", NULL, RPC_XML },
                { VALUE("<value> 5</value>"), RPC_CALL, "m", "[\" 5\"]", NULL, RPC_XML },
                { VALUE("<value>x<int>5</int></value>"), RPC_MALFORMED },
                { VALUE("<value><int>5</int>x</value>"), RPC_MALFORMED },
                { VALUE("<value><int>5</int><int>5</int></value>"), RPC_MALFORMED },
                { VALUE("<value><i4>5</i4></value>"), RPC_CALL, "m", "[5]", NULL, RPC_XML },
                { VALUE("<value><i8>-9223372036854775808</i8></value>"), RPC_CALL, "m",
                  "[-9223372036854775808]", NULL, RPC_XML },
                { VALUE("<value><int>0x5</int></value>"), RPC_CALL, "m", "[5]", NULL, RPC_XML },
                { VALUE("<value><int>9223372036854775808</int></value>"), RPC_MALFORMED },
                { VALUE("<value><int> 5</int></value>"), RPC_MALFORMED },
                { VALUE("<value><int>5x</int></value>"), RPC_MALFORMED },
                { VALUE("<value><int/></value>"), RPC_MALFORMED },
                { VALUE("<value><double>1e3</double></value>"), RPC_CALL, "m", "[1000.0]", NULL, RPC_XML },
                { VALUE("<value><double>5</double></value>"), RPC_CALL, "m", "[5.0]", NULL, RPC_XML },
                { VALUE("<value><double>nan</double></value>"), RPC_CALL, "m", "[\"nan\"]", NULL, RPC_XML },
                { VALUE("<value><double>x</double></value>"), RPC_MALFORMED },
                { VALUE("<value><double/></value>"), RPC_MALFORMED },
                { VALUE("<value><boolean>1</boolean></value>"), RPC_CALL, "m", "[true]", NULL, RPC_XML },
                { VALUE("<value><boolean>2</boolean></value>"), RPC_CALL, "m", "[false]", NULL, RPC_XML },
                { VALUE("<value><boolean>true</boolean></value>"), RPC_CALL, "m", "[false]", NULL, RPC_XML },
                { VALUE("<value><boolean/></value>"), RPC_MALFORMED },
                { VALUE("<value><dateTime.iso8601>20260131T12:34:56Z</dateTime.iso8601></value>"), RPC_CALL,
                  "m", "[\"20260131T12:34:56Z\"]", NULL, RPC_XML },
                { VALUE("<value><string>a\r\nb</string></value>"), RPC_CALL, "m", "[\"a\\nb\"]", NULL,
                  RPC_XML },
                { VALUE("<value><nil>x</nil></value>"), RPC_MALFORMED },
                { VALUE("<value><array/></value>"), RPC_CALL, "m", "[[]]", NULL, RPC_XML },
                { VALUE("<value><array><data/></array></value>"), RPC_CALL, "m", "[[]]", NULL, RPC_XML },
                { VALUE("<value><array><data/><data/></array></value>"), RPC_MALFORMED },
                { VALUE("<value><array><data><value>a</value> "
                        "<value><int>1</int></value></data></array></value>"),
                  RPC_CALL, "m", "[[\"a\",1]]", NULL, RPC_XML },
                { VALUE("<value><array><data>x</data></array></value>"), RPC_MALFORMED },
                { VALUE("<value><struct/></value>"), RPC_CALL, "m", "[{}]", NULL, RPC_XML },
                { VALUE(
                      "<value><struct><member><name>a</name><value>1</value></member> <member><name>a</name>"
                      "<value>2</value></member><member><name>&lt; "
                      "</name><value/></member></struct></value>"),
                  RPC_CALL, "m", "[{\"a\":\"1\",\"< \":\"\"}]", NULL, RPC_XML },
                { VALUE("<value><struct><member><name></name><value>e</value></member></struct></value>"),
                  RPC_MALFORMED },
                { VALUE("<value><struct><member><value>1</value><name>a</name></member></struct></value>"),
                  RPC_MALFORMED },
                { VALUE("<value><struct><member><name>a</name></member></struct></value>"), RPC_MALFORMED },
                { VALUE("x<value/>"), RPC_MALFORMED },
                { VALUE("<value/><value/>"), RPC_MALFORMED },
                { VALUE(""), RPC_MALFORMED },
                { VALUE("<value>a\xff"
                        "b</value>"),
                  RPC_MALFORMED },
                { VALUE("<value>&#1;</value>"), RPC_MALFORMED },
                { "<?xml version='1.0' encoding='ISO-8859-1'?>" VALUE("<value>\xe9</value>"), RPC_CALL, "m",
                  "[\"\xc3\xa9\"]", NULL, RPC_XML },
                { "<methodCall>x<methodName>m</methodName><params/></methodCall>", RPC_MALFORMED },
                { "<methodCall><methodName>m</methodName><params/><params/></methodCall>", RPC_MALFORMED },
        };

        assert_cases(false, cases, G_N_ELEMENTS(cases));
}

static void repeat(GString *to, const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                g_string_append(to, text);
}

/* `head`, n times `open`, `middle`, n times `close`, `tail`. */
static RpcParse parse_repeated(bool json, const char *head, const char *open, const char *middle,
                               const char *close, const char *tail, size_t n)
{
        auto_rpc_request r = { 0 };
        GString *text = g_string_new(head);

        repeat(text, open, n);
        g_string_append(text, middle);
        repeat(text, close, n);
        g_string_append(text, tail);
        RpcParse outcome = rpc_parse(json, text->str, text->len, &r);
        g_string_free(text, true);
        return outcome;
}

static void test_depth(void)
{
        static const char json_head[] = "{\"method\":\"m\",\"params\":[", json_tail[] = "],\"id\":1}";
        static const char xml_head[] = "<methodCall><methodName>m</methodName><params><param><value>";
        static const char xml_tail[] = "</value></param></params></methodCall>";
        static const char set_open[] = "<array><data><value>", set_close[] = "</value></data></array>";
        static const char map_open[] = "<struct><member><name>k</name><value>",
                          map_close[] = "</value></member></struct>";

        for (size_t past = 0; past < 2; past++) {
                size_t n = RPC_DEPTH_MAX + past;
                RpcParse outcome = past ? RPC_MALFORMED : RPC_CALL;
                g_assert_cmpint(parse_repeated(true, json_head, "[", "1", "]", json_tail, n), ==, outcome);
                g_assert_cmpint(parse_repeated(true, json_head, "{\"k\":", "1", "}", json_tail, n), ==,
                                outcome);
                g_assert_cmpint(
                    parse_repeated(false, xml_head, set_open, "<int>1</int>", set_close, xml_tail, n), ==,
                    outcome);
                g_assert_cmpint(
                    parse_repeated(false, xml_head, map_open, "<int>1</int>", map_close, xml_tail, n), ==,
                    outcome);
        }
        g_assert_cmpint(parse_repeated(true, json_head, "[", "", "", "", 1 << 20), ==, RPC_MALFORMED);
        g_assert_cmpint(parse_repeated(false, "", "<a>", "", "", "", 1 << 18), ==, RPC_MALFORMED);
}

static void test_sizes(void)
{
        /* The document, its three other members and the params are values too. */
        static const char json_head[] = "{\"method\":\"m\",\"id\":1,\"params\":[1", json_tail[] = "]}";
        static const char xml_head[] = "<methodCall><methodName>m</methodName><params>";

        g_assert_cmpint(parse_repeated(true, json_head, ",1", "", "", json_tail, RPC_VALUES_MAX - 5), ==,
                        RPC_CALL);
        g_assert_cmpint(parse_repeated(true, json_head, ",1", "", "", json_tail, RPC_VALUES_MAX - 4), ==,
                        RPC_MALFORMED);
        for (size_t past = 0; past < 2; past++)
                g_assert_cmpint(parse_repeated(false, xml_head, "<param><value/></param>", "", "",
                                               "</params></methodCall>", RPC_VALUES_MAX + past),
                                ==, past ? RPC_MALFORMED : RPC_CALL);

        static const char head[] = "{\"method\":\"m\",\"id\":1,\"params\":[]}";
        size_t room = RPC_BODY_MAX - strlen(head);
        g_assert_cmpint(parse_repeated(true, head, " ", "", "", "", room), ==, RPC_CALL);
        g_assert_cmpint(parse_repeated(true, head, " ", "", "", "", room + 1), ==, RPC_TOO_LARGE);

        g_autofree char *digits = g_strnfill(125, '1');
        g_autofree char *number = g_strdup_printf(PARAMS("[0.%s]"), digits);
        g_autofree char *longer = g_strdup_printf(PARAMS("[0.1%s]"), digits);
        auto_rpc_request fits = { 0 }, past = { 0 };
        g_assert_cmpint(rpc_parse(true, number, strlen(number), &fits), ==, RPC_CALL);
        g_assert_cmpint(rpc_parse(true, longer, strlen(longer), &past), ==, RPC_MALFORMED);
}

static void assert_reply(RpcDialect dialect, const char *method, const char *success, const char *failure)
{
        RpcRequest r = { .dialect = dialect, .method = (char *)method, .id = (char *)"\"x\"" };
        g_autoptr(XapiError) error = xapi_error_new("INTERNAL_ERROR", "Failure(\"got 'N'\")", "<a>", NULL);
        auto_buffer b = { 0 };

        rpc_write_success(&b, &r, dialect == RPC_XML ? "<value>2</value>" : "2", dialect == RPC_XML ? 16 : 1);
        g_assert_cmpstr(buffer_terminate(&b), ==, success);
        b.len = 0;
        rpc_write_failure(&b, &r, error);
        g_assert_cmpstr(buffer_terminate(&b), ==, failure);
}

static void test_replies(void)
{
        static const char xml_failure[] =
            "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct><member><name>Status</name>"
            "<value>Failure</value></member><member><name>ErrorDescription</name><value><array><data>"
            "<value>INTERNAL_ERROR</value><value>Failure(&quot;got "
            "'N'&quot;)</value><value>&lt;a&gt;</value></data>"
            "</array></value></member></struct></value></param></params></methodResponse>";

        assert_reply(
            RPC_XML, "VM.x",
            "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct><member><name>Status</name>"
            "<value>Success</value></member><member><name>Value</name><value>2</value></member></struct></"
            "value>"
            "</param></params></methodResponse>",
            xml_failure);
        assert_reply(RPC_XML, "system.listMethods",
                     "<?xml version=\"1.0\"?><methodResponse><params><param><value>2</value></param></params>"
                     "</methodResponse>",
                     xml_failure);
        assert_reply(RPC_JSON1, "VM.x", "{\"result\":2,\"error\":null,\"id\":\"x\"}",
                     "{\"result\":null,\"error\":[\"INTERNAL_ERROR\",\"Failure(\\\"got "
                     "'N'\\\")\",\"<a>\"],\"id\":\"x\"}");
        assert_reply(RPC_JSON2, "system.listMethods", "{\"jsonrpc\":\"2.0\",\"result\":2,\"id\":\"x\"}",
                     "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"INTERNAL_ERROR\","
                     "\"data\":[\"Failure(\\\"got 'N'\\\")\",\"<a>\"]},\"id\":\"x\"}");
}

static void test_refusal(void)
{
        g_autoptr(XapiError) error = xapi_error_new("HOST_STILL_BOOTING", NULL);
        auto_buffer b = { 0 };

        rpc_write_refusal(&b, true, error);
        g_assert_cmpstr(buffer_terminate(&b), ==,
                        "{\"result\":null,\"error\":[\"HOST_STILL_BOOTING\"],\"id\":0}");
        b.len = 0;
        rpc_write_refusal(&b, false, error);
        g_assert_nonnull(
            strstr(buffer_terminate(&b), "<value><array><data><value>HOST_STILL_BOOTING</value></data>"));
}

static void test_paths(void)
{
        g_assert_true(rpc_path_is_json("/jsonrpc"));
        g_assert_true(rpc_path_is_json("/jsonrpc/"));
        g_assert_false(rpc_path_is_json("/json"));
        g_assert_false(rpc_path_is_json("/"));
        g_assert_false(rpc_path_is_json("/RPC2"));
}

static void test_options(void)
{
        HttpHeader header = { "Access-Control-Request-Headers", "content-type" };
        HttpRequest request = { .n_headers = 1, .headers = &header };
        auto_buffer b = { 0 };

        rpc_write_options_headers(&b, &request);
        g_assert_cmpstr(buffer_terminate(&b), ==,
                        "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: content-type, "
                        "X-Requested-With\r\n"
                        "Access-Control-Allow-Methods: PUT\r\n");
        request.n_headers = 0;
        b.len = 0;
        rpc_write_options_headers(&b, &request);
        g_assert_nonnull(strstr(buffer_terminate(&b), "Access-Control-Allow-Headers: X-Requested-With\r\n"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/rpc/json", test_json);
        g_test_add_func("/rpc/json-refused", test_json_refused);
        g_test_add_func("/rpc/xml", test_xml);
        g_test_add_func("/rpc/truncated", test_truncated);
        g_test_add_func("/rpc/depth", test_depth);
        g_test_add_func("/rpc/sizes", test_sizes);
        g_test_add_func("/rpc/replies", test_replies);
        g_test_add_func("/rpc/refusal", test_refusal);
        g_test_add_func("/rpc/paths", test_paths);
        g_test_add_func("/rpc/options", test_options);
        return g_test_run();
}
