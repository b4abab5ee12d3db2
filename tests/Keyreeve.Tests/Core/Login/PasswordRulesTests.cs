using Keyreeve.Core.Login;
using Xunit;

namespace Keyreeve.Tests.Core.Login;

public sealed class PasswordRulesTests
{
    [Theory]
    [InlineData("correct horse battery staple", null)]
    [InlineData("ünïcödé!", null)]
    [InlineData("seven77", PasswordFault.TooShort)]
    [InlineData("😀😀😀😀😀😀😀", PasswordFault.TooShort)]
    [InlineData("password", PasswordFault.Common)]
    [InlineData("PassWord123", PasswordFault.Common)]
    [InlineData("Sommer2025", PasswordFault.Common)]
    [InlineData("aaaaaaaaaaaa", PasswordFault.Common)]
    [InlineData("Grace Hopper", PasswordFault.UserName)]
    public void Length_the_commonest_and_the_own_name_are_all_that_is_looked_at(string password, PasswordFault? fault) =>
        Assert.Equal(fault, PasswordRules.WhyNot(password, "GRACE hopper", 8));

    [Fact]
    public void The_limits_are_exact()
    {
        Assert.Null(PasswordRules.WhyNot("abcdefgh1"[..8] + "x", "u", 9));
        Assert.Equal(PasswordFault.TooShort, PasswordRules.WhyNot("abcdefg1", "u", 9));
        Assert.Null(PasswordRules.WhyNot(string.Concat(Enumerable.Repeat("ab", 256)), "u", 8));
        Assert.Equal(PasswordFault.TooLong, PasswordRules.WhyNot(string.Concat(Enumerable.Repeat("ab", 256)) + "c", "u", 8));
    }

    [Fact]
    public void A_recovery_code_belongs_to_its_user_and_may_be_typed_carelessly()
    {
        var (texts, hashes) = RecoveryCode.Generate("u-1");
        Assert.Equal(RecoveryCode.Count, texts.Distinct().Count());
        Assert.All(texts, t => Assert.Matches("^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$", t));
        Assert.Equal(hashes[3], RecoveryCode.HashOf("u-1", " " + texts[3].ToLowerInvariant().Replace("-", " ") + " "));
        Assert.NotEqual(hashes[3], RecoveryCode.HashOf("u-2", texts[3]));
        foreach (var wrong in new[] { "", "0000-0000-0000-0000", texts[0][..^1], texts[0] + "A", new string('A', 100) })
            Assert.Null(RecoveryCode.HashOf("u-1", wrong));
    }
}
