"""Which contests are behind a code, as they stand in the database."""

from datetime import UTC, datetime

from sqlalchemy import text

from gateway.contests.directory import MARK
from gateway.contests.videos import Video
from tests.engines import Database
from tests.rigs.rig import Rig


async def test_a_contest_without_codes_is_behind_none(database: Database) -> None:
    rig = await Rig(database.app_url).open()
    try:
        async with rig.engine.begin() as connection:
            await connection.execute(text("update contests set service_code = '', short_code = '' where slug = 'star'"))
        await rig.directory.refresh()
        star = rig.directory.by_slug("star")
        assert star is not None
        assert (star.dial_code, star.menu_number) == ("", None)
        assert rig.directory.by_service_code("") == rig.directory.by_short_code("") == ()
    finally:
        await rig.close()


async def test_what_is_as_it_was_is_not_read_again_and_every_change_is_seen(database: Database) -> None:
    rig = await Rig(database.app_url).open()
    try:
        await rig.directory.refresh()
        before = rig.directory.by_slug("star")
        assert before is not None
        await rig.directory.refresh()
        assert rig.directory.by_slug("star") is before
        of_07 = "contest_id = (select id from contests where slug = 'star') and code = '07'"
        named = f"candidate_id = (select id from candidates where {of_07})"
        changes = [
            (f"update candidates set text = 'a singer' where {of_07}", "text", "a singer"),
            (f"update candidates set status = 'withdrawn' where {of_07}", "eligible", False),
            (f"update candidates set status = 'rejected' where {of_07}", None, None),
            (f"update candidates set status = 'approved' where {of_07}", "eligible", True),
            (
                "insert into video_uploads (public_id, contest_id, candidate_id, state, issued_by, version, width,"
                f" height) select 'v', contest_id, id, 'approved', 'awa', 1, 640, 360 from candidates where {of_07}",
                "video",
                Video("v", 1, 640, 360),
            ),
            (f"update video_uploads set state = 'rejected' where {named}", "video", None),
        ]
        for statement, field, value in changes:
            async with rig.engine.begin() as connection:
                await connection.execute(text(statement))
            await rig.directory.refresh()
            star = rig.directory.by_slug("star")
            assert star is not None
            shown = star.candidate("07")
            assert (shown is None) == (field is None), statement
            if field is not None:
                assert getattr(shown, field) == value, statement
            other = [one for one in star.candidates if one.code == "08"]
            assert other == [one for one in before.candidates if one.code == "08"]
        async with rig.engine.begin() as connection:
            await connection.execute(text("update contests set name = 'Star' where slug = 'star'"))
        await rig.directory.refresh()
        renamed = rig.directory.by_slug("star")
        assert renamed is not None
        assert star is not None
        assert (renamed.name, renamed.candidates is star.candidates) == ("Star", True)
        # Of what is not a candidate's, and of what the clock brings.
        demo = "select organiser_id from contests where slug = 'star'"
        for statement, field, value in (
            (f"update organisers set state = 'frozen' where id = ({demo})", "suspended", True),
            (f"update organisers set state = 'active' where id = ({demo})", "suspended", False),
            (f"insert into brands (id, organiser_id, accent) select id, id, '#123456' from ({demo}) o(id)", None, None),
            (
                "insert into rounds (contest_id, number, name, fresh, opens_at, closes_at)"
                " select id, n, n, true, opens_at + (n - 1) * interval '5 years',"
                " opens_at + (n - 1) * interval '5 years' + interval '1 day'"
                " from contests, generate_series(1, 2) n where slug = 'star'",
                "reopens_at",
                datetime(2031, 1, 1, tzinfo=UTC),
            ),
        ):
            async with rig.engine.begin() as connection:
                await connection.execute(text(statement))
            await rig.directory.refresh()
            changed = rig.directory.by_slug("star")
            assert changed is not None
            assert changed.brand.accent == "#123456" if field is None else getattr(changed, field) == value, statement
        async with rig.engine.begin() as connection:
            moments = ("2030-12-31 23:59:59+0", "2031-01-01+0", "2031-01-02+0", "2035-12-31 23:59:59+0", "2036-01-01+0")
            marks = [
                (await connection.execute(text(str(MARK).replace("now()", f"timestamptz '{at}'")))).scalar_one()
                for at in moments
            ]
        assert marks[2] == marks[3]
        assert len({*marks}) == len(moments) - 1
    finally:
        await rig.close()
