#include "base/settings_group.h"

#include "base/buf.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <unistd.h>

struct config {
    int64_t workers;
    struct setting_items doors;
};

struct door {
    const char *name, *url, *colour;
    int64_t width;
    struct secret lock;
};

static const char *not_red(const char *value)
{
    return text_equal(value, "red") ? "is red" : NULL;
}

static const char *door_preset(const char *item, const char *setting)
{
    return text_equal(item, "front") && text_equal(setting, "URL") ? "preset" : NULL;
}

static const struct setting_group doors = {
    "T_DOOR_",
    (const struct setting[]){
        SETTING("URL", SETTING_TEXT, struct door, url, .required = true, .help = "where it leads"),
        SETTING("COLOUR", SETTING_TEXT, struct door, colour, .value = "green", .wrong = not_red),
        SETTING("WIDTH", SETTING_INTEGER, struct door, width, .value = "2", .min = 1, .max = 3),
        SETTING("LOCK", SETTING_SECRET, struct door, lock, .min = 4),
        { 0 },
    },
    sizeof(struct door), door_preset
};

static const struct setting table[] = {
    SETTING("T_WORKERS", SETTING_INTEGER, struct config, workers, .value = "8", .min = 2, .max = 64),
    SETTING("T_DOORS", SETTING_GROUP, struct config, doors, .group = &doors, .help = "which doors there are"),
    { 0 },
};

static struct ctx ctx;
static struct config config;
static char folder[] = "/tmp/test_settings.XXXXXX";

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void teardown(void)
{
    ctx_finish(&ctx);
    unlink("env");
    unlink("key");
    rmdir(folder);
}

TestSuite(settings_group, .init = setup, .fini = teardown);

static void put(const char *path, const char *content)
{
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    fputs(content, out);
    cr_assert_eq(fclose(out), 0);
}

static bool load(void)
{
    ctx_finish(&ctx);
    ctx.error = NULL;
    config = (struct config){ 0 };
    return settings_load(&ctx, table, &config, 3, (char *[]){ "/x/tonearm-test", "--env-file", "env", NULL }, "a test",
                         NULL);
}

static const char *faults(void)
{
    struct buf out = BUF(&ctx.arena);
    buf_text(&out, "");
    for (const struct violation *v = ctx.error ? ctx.error->violations : NULL; v; v = v->next)
        buf_printf(&out, "%s: %s\n", v->field, v->message);
    return out.data;
}

Test(settings_group, give_each_of_a_group_its_own)
{
    put("key", "of the back\n");
    put("env", "T_DOORS=front,back-2\nT_DOOR_FRONT_WIDTH=3\nT_DOOR_BACK_2_URL=out\nT_DOOR_BACK_2_COLOUR=blue\n"
               "T_DOOR_BACK_2_LOCK_FILE=key\n");
    cr_assert(load(), "%s", faults());
    const struct door *items = config.doors.items;
    cr_assert_eq(config.doors.count, 2);
    cr_expect_str_eq(items[0].name, "front");
    cr_expect_str_eq(items[0].url, "preset");
    cr_expect_str_eq(items[0].colour, "green");
    cr_expect_eq(items[0].width, 3);
    cr_expect_not(secret_given(&items[0].lock));
    cr_expect_str_eq(items[1].name, "back-2");
    cr_expect_str_eq(items[1].url, "out");
    cr_expect_str_eq(items[1].colour, "blue");
    cr_expect_eq(items[1].width, 2);
    cr_expect_str_eq(secret_value(&ctx, &items[1].lock), "of the back");
    put("env", "");
    cr_assert(load());
    cr_expect_eq(config.doors.count, 0);
}

Test(settings_group, name_every_fault_of_a_group_at_once)
{
    cr_redirect_stderr();
    put("env",
        "T_DOORS=front,side\nT_DOOR_FRONT_COLOUR=red\nT_DOOR_FRONT_WIDTH=4\nT_DOOR_SIDE_LOCK=abc\nT_WORKERS=1\n");
    cr_expect_not(load());
    cr_expect_str_eq(faults(),
                     "T_WORKERS: must be 2 to 64\nT_DOOR_FRONT_COLOUR: is red\nT_DOOR_FRONT_WIDTH: must be 1 to 3\n"
                     "T_DOOR_SIDE_URL: is required\nT_DOOR_SIDE_LOCK: must have at least 4 characters\n");
}

Test(settings_group, refuse_names_of_a_group_that_are_none)
{
    static const char *const wrong[] = { "a,,b",
                                         ",",
                                         "A",
                                         "1a",
                                         "-a",
                                         "a b",
                                         "a_b",
                                         "a,b,a",
                                         "abcdefghijklmnopqrstuvwxyz0123456",
                                         "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q" };
    cr_redirect_stderr();
    put("env", "");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("T_DOORS", wrong[i], 1);
        cr_expect_not(load());
        cr_expect(text_starts(faults(), "T_DOORS: "), "%s", wrong[i]);
    }
}

Test(settings_group, stand_in_the_example)
{
    FILE *out = fopen("env", "w");
    settings_write_example(table, out);
    fclose(out);
    char text[4096] = "";
    FILE *in = fopen("env", "r");
    cr_assert_gt(fread(text, 1, sizeof text - 1, in), 0);
    fclose(in);
    cr_expect_not_null(strstr(text, "# which doors there are\n# names by comma\n#T_DOORS=\n"), "%s", text);
    cr_expect_not_null(strstr(text, "# where it leads\n# text; required\n#T_DOOR_NAME_URL=\n"), "%s", text);
    cr_expect_not_null(strstr(text, "#T_DOOR_NAME_LOCK_FILE=\n"), "%s", text);
    cr_expect(load(), "%s", faults());
}
