using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Identity;

public sealed class AuthenticatedUserTests
{
    private static readonly LoginSession Session = new()
    {
        Hash = [],
        SessionId = "sid",
        Subject = Samples.User.Subject,
        SecurityStamp = Samples.User.SecurityStamp,
        Authentication = Samples.Login,
        ExpiresAt = Samples.Now.ToUnixTimeMilliseconds() + 1,
    };

    [Fact]
    public void A_session_stands_until_it_is_over_the_credentials_change_or_the_user_is_switched_off()
    {
        Assert.NotNull(AuthenticatedUser.From(Session, Samples.User, Samples.Now));
        Assert.Null(AuthenticatedUser.From(Session, Samples.User, Samples.Now.AddMilliseconds(1)));
        Assert.Null(AuthenticatedUser.From(Session, Samples.User with { SecurityStamp = "later" }, Samples.Now));
        Assert.Null(AuthenticatedUser.From(Session, Samples.User with { Disabled = true }, Samples.Now));
        Assert.Null(AuthenticatedUser.From(Session, Samples.User with { Subject = "u-BBBBBBBBBBBBBBBBBBBBBB" }, Samples.Now));
        Assert.Null(AuthenticatedUser.From(null, Samples.User, Samples.Now));
        Assert.Null(AuthenticatedUser.From(Session, null, Samples.Now));
    }

    [Fact]
    [Proves("TS 33.434", "A.2.1.2")]
    public void A_subject_is_random_and_of_a_form_that_no_client_has()
    {
        var all = Enumerable.Range(0, 1000).Select(_ => User.NewSubject()).ToHashSet();
        Assert.Equal(1000, all.Count);
        Assert.All(all, subject => Assert.Matches("^u-[A-Za-z0-9_-]{22}$", subject));
        Assert.All(all, subject => Assert.True(User.IsSubject(subject)));
        Assert.False(User.IsSubject(Samples.ClientId));
    }

    [Fact]
    public void One_name_in_upper_and_lower_case_is_one_name()
    {
        Assert.Equal(User.NormalizeName("Grace"), User.NormalizeName("gRACE"));
        Assert.Equal(User.NormalizeName("ZÜRICH"), User.NormalizeName("Zürich"));
        Assert.NotEqual(User.NormalizeName("grace"), User.NormalizeName("grace "));
    }
}
